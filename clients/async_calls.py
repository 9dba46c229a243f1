"""Carries out one call on grpc.aio: its attempts, its deadline, its errors.

Knows nothing about what the messages mean; when to try again is the policy's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import count
from typing import TypeVar, cast

import grpc

from tidegate.clients.answers import End
from tidegate.clients.errors import (
    error_of_broken_stream,
    error_of_call,
    error_of_unreadable_answer,
)
from tidegate.clients.patience import Terms
from tidegate.clients.retry import retrying_async
from tidegate.clients.tracing import spanned

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Event = TypeVar("_Event")


async def answer_of(
    method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
    request: _Request,
    terms: Terms,
) -> _Response:
    """The one answer of a unary call; raises a TidegateError when no attempt brought one."""

    previous = count()

    async def attempt() -> _Response:
        metadata = terms.metadata_after(next(previous))
        try:
            answer = await method(request, timeout=terms.patience.left_s(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error.code(), error.details(), error.trailing_metadata()) from error
        # What gRPC makes of bytes that it can't read, whatever its types say.
        if answer is None:
            raise error_of_unreadable_answer()
        return answer

    with spanned(request, terms) as terms:
        return await retrying_async(terms.attempts, terms.patience.timeout_s)(attempt)


async def messages_of(
    method: grpc.aio.UnaryStreamMultiCallable[_Request, _Response],
    request: _Request,
    terms: Terms,
) -> AsyncGenerator[_Response, None]:
    """The messages of a server stream; only before the first one is it tried again.

    Closing the iterator cancels the call.
    """
    call: grpc.aio.UnaryStreamCall[_Request, _Response] | None = None
    previous = count()

    async def attempt() -> _Response | None:
        nonlocal call
        metadata = terms.metadata_after(next(previous))
        call = method(request, timeout=terms.patience.left_s(), metadata=metadata)
        return await next_message(call)

    with spanned(request, terms) as terms:
        attempts = retrying_async(terms.attempts, terms.patience.timeout_s)
        try:
            message: _Response | None = await attempts(attempt)
            while call is not None and message is not None:
                yield message
                message = await next_message(call)
        finally:
            if call is not None:
                call.cancel()


async def events_of(
    stream: AsyncGenerator[_Response, None], read: Callable[[_Response], _Event | None]
) -> AsyncGenerator[_Event, None]:
    """What the messages of a reply say, the end last; a stream without one is a failure.

    The end is handed out after the status has come: a caller who leaves the loop with it
    would otherwise cancel a call that was answered.
    """
    end: _Event | None = None
    async with aclosing(stream):
        async for message in stream:
            event = read(message)
            if isinstance(event, End):
                end = event
            elif event is not None:
                yield event
    if end is None:
        raise error_of_broken_stream()
    yield end


async def next_message(
    call: grpc.aio.UnaryStreamCall[_Request, _Response],
) -> _Response | None:
    """The next message; None after the last. Raises a TidegateError if the call failed."""
    try:
        message = await call.read()
    except grpc.aio.AioRpcError as error:
        raise error_of_call(error.code(), error.details(), error.trailing_metadata()) from error
    return None if message is grpc.aio.EOF else cast("_Response", message)

"""Carries out one call on grpc.aio: its attempts, its deadline, its errors.

Knows nothing about what the messages mean; when to try again is the policy's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar, cast

import grpc

from tidegate.clients.errors import error_of_call
from tidegate.clients.patience import Patience
from tidegate.clients.retry import retrying_async

CallMetadata = tuple[tuple[str, str], ...]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


async def answer_of(
    method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
    request: _Request,
    metadata: CallMetadata,
    patience: Patience,
    attempts: int,
) -> _Response:
    """The one answer of a unary call; raises a TidegateError when no attempt brought one."""

    async def attempt() -> _Response:
        try:
            return await method(request, timeout=patience.left_s(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error.code(), error.details(), error.trailing_metadata()) from error

    return await retrying_async(attempts, patience.timeout_s)(attempt)


async def messages_of(
    method: grpc.aio.UnaryStreamMultiCallable[_Request, _Response],
    request: _Request,
    metadata: CallMetadata,
    patience: Patience,
    attempts: int,
) -> AsyncGenerator[_Response, None]:
    """The messages of a server stream; only before the first one is it tried again.

    Closing the iterator cancels the call.
    """
    call: grpc.aio.UnaryStreamCall[_Request, _Response] | None = None

    async def attempt() -> _Response | None:
        nonlocal call
        call = method(request, timeout=patience.left_s(), metadata=metadata)
        return await next_message(call)

    try:
        message: _Response | None = await retrying_async(attempts, patience.timeout_s)(attempt)
        while call is not None and message is not None:
            yield message
            message = await next_message(call)
    finally:
        if call is not None:
            call.cancel()


async def next_message(
    call: grpc.aio.UnaryStreamCall[_Request, _Response]
    | grpc.aio.StreamStreamCall[_Request, _Response],
) -> _Response | None:
    """The next message; None after the last. Raises a TidegateError if the call failed."""
    try:
        message = await call.read()
    except grpc.aio.AioRpcError as error:
        raise error_of_call(error.code(), error.details(), error.trailing_metadata()) from error
    return None if message is grpc.aio.EOF else cast("_Response", message)

"""Carries out one call on grpc's blocking stack: its attempts, its deadline, its errors.

Knows nothing about what the messages mean; when to try again is the policy's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import count
from typing import Protocol, TypeVar, cast

import grpc

from tidegate.clients.answers import End
from tidegate.clients.errors import TidegateError, error_of_broken_stream, error_of_call
from tidegate.clients.hangup import Hangup
from tidegate.clients.patience import Terms
from tidegate.clients.retry import retrying
from tidegate.clients.tracing import spanned

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Response_co = TypeVar("_Response_co", covariant=True)
_Event = TypeVar("_Event")


class Incoming(Protocol[_Response_co]):
    """The reading half of a running call, as the blocking stack gives it."""

    def __iter__(self) -> Iterator[_Response_co]: ...
    def __next__(self) -> _Response_co: ...
    def cancel(self) -> object:
        """End the call on both sides."""
        ...


def answer_of(
    method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
    request: _Request,
    terms: Terms,
    hangup: Hangup,
) -> _Response:
    """The one answer of a unary call; raises a TidegateError when no attempt brought one.

    An interrupt while it waits cancels the call, and so does another thread by `hangup`.
    """

    previous = count()

    def attempt() -> _Response:
        metadata = terms.metadata_after(next(previous))
        call = method.future(request, timeout=terms.patience.left_s(), metadata=metadata)
        hangup.begin(call)
        try:
            return call.result()
        except grpc.RpcError as error:
            raise error_of_rpc(error) from error
        except BaseException:
            call.cancel()
            raise
        finally:
            hangup.end(call)

    attempts = retrying(terms.attempts, terms.patience.timeout_s, is_over=hangup.is_over)
    with spanned(request, terms) as terms:
        return attempts(attempt)


def messages_of(
    method: grpc.UnaryStreamMultiCallable[_Request, _Response],
    request: _Request,
    terms: Terms,
) -> Generator[_Response, None, None]:
    """The messages of a server stream; only before the first one is it tried again.

    Closing the iterator, or an interrupt, cancels the call.
    """
    call: Incoming[_Response] | None = None
    previous = count()

    def attempt() -> _Response | None:
        nonlocal call
        metadata = terms.metadata_after(next(previous))
        call = method(request, timeout=terms.patience.left_s(), metadata=metadata)
        return next_message(call)

    with spanned(request, terms) as terms:
        try:
            message = retrying(terms.attempts, terms.patience.timeout_s)(attempt)
            while call is not None and message is not None:
                yield message
                message = next_message(call)
        finally:
            if call is not None:
                call.cancel()


def events_of(
    stream: Generator[_Response, None, None], read: Callable[[_Response], _Event | None]
) -> Generator[_Event, None, None]:
    """What the messages of a reply say, the end last; a stream without one is a failure.

    The end is handed out after the status has come: a caller who leaves the loop with it
    would otherwise cancel a call that was answered.
    """
    end: _Event | None = None
    with closing(stream):
        for message in stream:
            event = read(message)
            if isinstance(event, End):
                end = event
            elif event is not None:
                yield event
    if end is None:
        raise error_of_broken_stream()
    yield end


def next_message(call: Incoming[_Response]) -> _Response | None:
    """The next message; None after the last. Raises a TidegateError if the call failed."""
    try:
        return next(call, None)
    except grpc.RpcError as error:
        raise error_of_rpc(error) from error


def error_of_rpc(error: grpc.RpcError) -> TidegateError:
    """The typed error for what the blocking stack raised, which is always a call as well."""
    call = cast("grpc.Call", error)
    return error_of_call(call.code(), call.details(), call.trailing_metadata() or ())

"""Stands before the methods of a gRPC server and lets in whom `admit` lets in; the others get their status.

A call costs it one function call more, and nothing at all where there is no door. Knows nothing about callers.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from tidegate.identity.denial import Denial, DeniedError

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Admit: TypeAlias = Callable[[str, Context, object], Any]
"""Takes path, context and the one message, None for a stream of them. Returns the context that the method is to see, which
may have a `denial` at the end of a stream; raises DeniedError."""

_MOST_KEPT = 256


class Door(grpc.GenericRpcHandler):
    """The methods of `inner`, behind `admit`."""

    def __init__(self, inner: grpc.GenericRpcHandler, admit: Admit) -> None:
        self._inner = inner
        self._admit = admit
        self._kept: dict[str, tuple[Handler, Handler]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a method that `inner` has."""
        path = handler_call_details.method
        handler = self._inner.service(handler_call_details)
        if handler is None:
            return None
        kept = self._kept.get(path)
        if kept is not None and kept[0] is handler:
            return kept[1]
        guarded = _guarded(path, handler, self._admit)
        # Callers can make up names of methods without end.
        if kept is not None or len(self._kept) < _MOST_KEPT:
            self._kept[path] = handler, guarded
        return guarded


class Collected:
    """Takes the place of a server where generated code adds a service to it, so that a door can stand before that."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: "tuple[grpc.GenericRpcHandler, ...]") -> None:
        """As a server has it."""
        self.handlers.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """As a server has it; an asyncio server does nothing here either."""


async def deny(context: Context, denial: Denial) -> NoReturn:
    """End the call."""
    await context.abort(denial.code, denial.message, denial.trailers)
    raise AssertionError("abort returned")


def _guarded(path: str, handler: Handler, admit: Admit) -> Handler:
    """The same method in the same shape, behind `admit`."""
    codec = handler.request_deserializer, handler.response_serializer
    match handler.request_streaming, handler.response_streaming:
        case False, False:
            behind = _one(path, handler.unary_unary, admit)
            return grpc.unary_unary_rpc_method_handler(behind, *codec)
        case False, True:
            behind = _one(path, handler.unary_stream, admit)
            return grpc.unary_stream_rpc_method_handler(behind, *codec)
        case True, False:
            behind = _many(path, handler.stream_unary, admit)
            return grpc.stream_unary_rpc_method_handler(behind, *codec)
        case _:
            behind = _many(path, handler.stream_stream, admit)
            return grpc.stream_stream_rpc_method_handler(behind, *codec)


def _one(path: str, inner: Any, admit: Admit) -> Any:
    """A method that takes one message; it may be an iterator of answers."""

    async def call(request: Any, context: Context) -> Any:
        try:
            return await inner(request, admit(path, context, request))
        except DeniedError as error:
            await deny(context, error.denial)

    async def iterate(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for message in inner(request, admit(path, context, request)):
                yield message
        except DeniedError as error:
            await deny(context, error.denial)

    return iterate if inspect.isasyncgenfunction(inner) else call


def _many(path: str, inner: Any, admit: Admit) -> Any:
    """A method that takes a stream of messages, which `admit` may have cut off."""

    async def call(requests: Any, context: Context) -> Any:
        try:
            seen = admit(path, context, None)
            answer = await inner(requests, seen)
            if (denial := getattr(seen, "denial", None)) is not None:
                raise DeniedError(denial)
        except DeniedError as error:
            await deny(context, error.denial)
        return answer

    return call

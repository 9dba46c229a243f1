"""Stands before the methods of a gRPC server and lets in whom `admit` lets in; the others get their status.

A call costs it one function call more, and nothing at all where there is no door. Knows nothing about callers.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from tidegate.identity.around import Around, Handler
from tidegate.identity.denial import Denial, DeniedError

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Admit: TypeAlias = Callable[[str, Context, object], Any]
"""Takes path, context and the one message, None for a stream of them. Returns the context that the method is to see, which
may have a `denial` at the end of a stream; raises DeniedError."""


class Door(Around):
    """The methods of `inner`, behind `admit`."""

    def __init__(self, inner: grpc.GenericRpcHandler, admit: Admit) -> None:
        def behind(path: str, handler: Handler, method: Any) -> Any:
            one_or_many = _many if handler.request_streaming else _one
            return one_or_many(path, method, admit)

        super().__init__(inner, behind)


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

"""Stands around the methods of a gRPC server that take messages, and answers bytes that are none: that is the caller's mistake.

gRPC takes it for ours, says UNKNOWN and quotes an exception. Knows nothing about what messages mean.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from tidegate.identity.around import Around, Handler, reshaped


@dataclass(frozen=True, slots=True)
class Illegible:
    """What stands in place of a message that could not be read."""

    size: int

    async def refuse(self, context: Any) -> NoReturn:
        """End the call."""
        problem = f"{self.size} bytes that are not the message of this method"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        raise AssertionError("abort returned")


class Legible(Around):
    """The methods of `inner`, each with messages that could be read."""

    def __init__(self, inner: grpc.GenericRpcHandler) -> None:
        super().__init__(_Lenient(inner), _checked)


class _Lenient(grpc.GenericRpcHandler):
    """The methods of `inner`, which get an `Illegible` for bytes that are no message."""

    def __init__(self, inner: grpc.GenericRpcHandler) -> None:
        self._inner = inner
        self._kept: dict[str, tuple[Handler, Handler]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        path = handler_call_details.method
        handler = self._inner.service(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        kept = self._kept.get(path)
        if kept is None or kept[0] is not handler:
            lenient = reshaped(
                handler, lambda method: method, _reading(handler.request_deserializer)
            )
            # These services know all their methods, so that there is an end of them.
            kept = self._kept[path] = handler, lenient
        return kept[1]


def _reading(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def try_to(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return Illegible(len(data))

    return try_to


def _checked(_: str, handler: Handler, method: Any) -> Any:
    def told(said: Any, context: Any) -> Any:
        return _each(said, context) if handler.request_streaming else said

    async def call(said: Any, context: Any) -> Any:
        if isinstance(said, Illegible):
            await said.refuse(context)
        return await method(told(said, context), context)

    async def iterate(said: Any, context: Any) -> AsyncIterator[Any]:
        if isinstance(said, Illegible):
            await said.refuse(context)
        async for answer in method(told(said, context), context):
            yield answer

    return iterate if inspect.isasyncgenfunction(method) else call


async def _each(messages: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    async for message in messages:
        if isinstance(message, Illegible):
            await message.refuse(context)
        yield message

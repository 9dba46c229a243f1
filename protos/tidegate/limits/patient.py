"""Stands around the methods of a gRPC server and tells the watch when a call waits for its caller.

Knows nothing about how long that may be.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from tidegate.identity.around import Around, Handler
from tidegate.identity.denial import Denial
from tidegate.identity.door import deny
from tidegate.identity.why import Why
from tidegate.limits.stream import Stream
from tidegate.limits.watch import StallWatch

_STALLED = Denial(
    Why.STALLED,
    "nothing came in this stream, all of whose messages had been answered; open another one when there is more (limits.stall_s)",
)

Wanted: TypeAlias = Callable[[str], bool]
"""Says of a path whether others wait for what its calls hold."""


class Patient(Around):
    """The methods of `inner`, watched. `wanted` is None where calls hold nothing that others may want."""

    def __init__(
        self, inner: grpc.GenericRpcHandler, watch: StallWatch, wanted: Wanted | None = None
    ) -> None:
        super().__init__(inner, self._watched)
        self._watch = watch
        self._wanted = wanted

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a method that `inner` has; in the task of the call, before its message is here."""
        handler = super().service(handler_call_details)
        if handler is not None:
            self._watch.came()
        return handler

    def _watched(self, path: str, handler: Handler, method: Any) -> Any:
        if not handler.request_streaming and not handler.response_streaming:
            return self._unary(method)
        if inspect.isasyncgenfunction(method):
            return self._yielding(path, handler, method)
        return self._writing(path, handler, method)

    def _unary(self, method: Any) -> Any:
        watch = self._watch

        async def call(message: Any, context: Any) -> Any:
            me: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
            watch.goes_on(me)
            answer = await method(message, context)
            watch.waits(me)
            return answer

        return call

    def _writing(self, path: str, handler: Handler, method: Any) -> Any:
        async def call(message: Any, context: Any) -> Any:
            stream = self._stream(path, context)
            said = stream.messages() if handler.request_streaming else message
            answer = await method(said, stream)
            if stream.is_stalled:
                await deny(context, _STALLED)
            stream.is_over()
            return answer

        return call

    def _yielding(self, path: str, handler: Handler, method: Any) -> Any:
        async def iterate(message: Any, context: Any) -> AsyncIterator[Any]:
            stream = self._stream(path, context)
            said = stream.messages() if handler.request_streaming else message
            async for answer in method(said, stream):
                # gRPC comes back for the next one when the caller has taken this one.
                stream.takes()
                yield answer
                stream.took()
            stream.is_over()

        return iterate

    def _stream(self, path: str, context: Any) -> Stream:
        me: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._watch.goes_on(me)
        wanted = self._wanted
        return Stream(context, me, self._watch, None if wanted is None else lambda: wanted(path))

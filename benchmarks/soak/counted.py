"""Our own client, with every attempt that it makes noted in the book: that is what a balancer counts."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc

from benchmarks.soak.book import Book
from tidegate.clients import AsyncClient

_OURS = ("grpc-status-details-bin", "tidegate-served-by")
"""What only a balancer or an instance says. Where neither is there, nobody may have heard of the call."""
_LEFT = (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
_MADE_UP = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)


class CountedClient(AsyncClient):
    """An AsyncClient whose stubs are looked over the shoulder."""

    def __init__(self, address: str, book: Book, **options: Any) -> None:
        super().__init__(address, **options)
        self._book = book
        self._noting: set[asyncio.Task[None]] = set()

    @property
    def sentiment(self) -> Any:
        """The stub, for the one method that the client has no word for."""
        return self._open().sentiment

    def _connected(self) -> Any:
        opened = super()._connected()
        for stub, lane, names in (
            (opened.sentiment, "sentiment", ("Classify", "ClassifyStream")),
            (opened.chat, "chat", ("Reply", "StreamReply", "JudgeAndReply")),
        ):
            for name in names:
                setattr(stub, name, self._counted(getattr(stub, name), lane))
        return opened

    def _counted(self, method: Callable[..., Any], lane: str) -> Callable[..., Any]:
        def begin(*arguments: Any, **options: Any) -> Any:
            call = method(*arguments, **options)
            self._book.begin_attempt(lane)
            began_s = time.monotonic()
            call.add_done_callback(lambda done: self._note(done, lane, time.monotonic() - began_s))
            return call

        return begin

    def _note(self, call: Any, lane: str, took_s: float) -> None:
        task = asyncio.ensure_future(self._end(call, lane, took_s))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _end(self, call: Any, lane: str, took_s: float) -> None:
        broken, left = False, False
        try:
            code = await call.code()
            said = dict(await call.trailing_metadata() or ())
            if not any(key in said for key in _OURS):
                broken, left = code in _MADE_UP, code in _LEFT
        finally:
            self._book.end_attempt(lane, took_s, broken=broken, left=left)

"""Drives one bulk stream on grpc.aio: items in, outcomes out, a bounded number under way.

Knows nothing about which outcome belongs to which item (bulk), nor when to try again (retry).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import grpc

from tidegate.clients.answers import ClassifiedItem
from tidegate.clients.async_calls import next_message
from tidegate.clients.bulk import Bulk
from tidegate.clients.errors import error_of_broken_stream
from tidegate.clients.inputs import Item
from tidegate.clients.patience import Patience
from tidegate.clients.retry import retrying_async
from tidegate.v1 import sentiment_pb2

if TYPE_CHECKING:  # gRPC's classes take no parameters at run time
    _Method = grpc.aio.StreamStreamMultiCallable[
        sentiment_pb2.ClassifyStreamRequest, sentiment_pb2.ClassifyStreamResponse
    ]
    _Call = grpc.aio.StreamStreamCall[
        sentiment_pb2.ClassifyStreamRequest, sentiment_pb2.ClassifyStreamResponse
    ]


async def classify_stream(
    method: _Method,
    items: Iterable[str | Item] | AsyncIterable[str | Item],
    bulk: Bulk,
    patience: Patience,
    attempts: int,
    window: int,
) -> AsyncGenerator[ClassifiedItem, None]:
    """The outcomes, as they come. A stream that fails before its first message is begun again
    with every item that it had; nothing is sent twice after that.
    """
    feed = _Feed(bulk, window)
    filling = asyncio.create_task(feed.fill(_each(items)))
    call: _Call | None = None
    sending: asyncio.Task[None] | None = None

    async def attempt() -> sentiment_pb2.ClassifyStreamResponse | None:
        nonlocal call, sending
        if sending is not None:
            await _ended(sending)
        call = method(timeout=patience.left_s())
        sending = asyncio.create_task(feed.send(call))
        # grpc.aio overwrites the status that came with one of its own when a write fails after
        # it (grpc/grpc#36066); a write that is cancelled in time can't fail.
        call.add_done_callback(partial(_cancel, sending))
        return await next_message(call)

    try:
        response: sentiment_pb2.ClassifyStreamResponse | None = await retrying_async(
            attempts, patience.timeout_s
        )(attempt)
        while call is not None and response is not None:
            outcome = feed.settle(response)
            if outcome is not None:
                yield outcome
            while feed.unsendable:
                yield feed.unsendable.popleft()
            response = await next_message(call)
        while feed.unsendable:
            yield feed.unsendable.popleft()
        if not feed.is_done:
            raise error_of_broken_stream()
        if feed.failure is not None:
            raise feed.failure
    finally:
        if call is not None:
            call.cancel()
        await _ended(filling, *([sending] if sending else []))


class _Feed:
    """What lies between the caller's items and the stream, over all its attempts.

    Filling goes on across attempts: an iterator that was cancelled half-way can't be resumed.
    """

    def __init__(self, bulk: Bulk, window: int) -> None:
        self._bulk = bulk
        self._room = asyncio.Semaphore(window)
        self._changed = asyncio.Event()
        self._has_all = False
        self.unsendable: deque[ClassifiedItem] = deque()
        self.failure: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether every item was taken in and answered."""
        return self._has_all and not self._bulk.unsent(-1)

    async def fill(self, items: AsyncIterator[str | Item]) -> None:
        """Take items in while there is room; what the iterator raises is kept for later."""
        try:
            while True:
                await self._room.acquire()
                unsendable = self._bulk.admit(await items.__anext__())
                if unsendable is not None:
                    self.unsendable.append(unsendable)
                    self._room.release()
                self._changed.set()
        except StopAsyncIteration:
            pass
        except Exception as error:
            self.failure = error
        self._has_all = True
        self._changed.set()

    async def send(self, call: _Call) -> None:
        """Write what is unanswered, then what comes, and close the stream's sending half."""
        last = -1
        # A stream that is over is reported by its reader, which knows the status.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                self._changed.clear()
                unsent = self._bulk.unsent(last)
                for position, request in unsent:
                    await call.write(request)
                    last = position
                if unsent:
                    continue
                if self._has_all:
                    break
                await self._changed.wait()
            await call.done_writing()

    def settle(self, response: sentiment_pb2.ClassifyStreamResponse) -> ClassifiedItem | None:
        """The outcome that a response brings; its room is free again."""
        outcome = self._bulk.settle(response)
        if outcome is not None:
            self._room.release()
        return outcome


async def _each(
    items: Iterable[str | Item] | AsyncIterable[str | Item],
) -> AsyncIterator[str | Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def _cancel(sending: asyncio.Task[None], _: _Call) -> None:
    sending.cancel()


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

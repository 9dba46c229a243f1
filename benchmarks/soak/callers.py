"""Makes calls: each by its kind, to exactly one end in the book.

Knows nothing of when they are due.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc

from benchmarks.soak.book import Book
from benchmarks.soak.counted import CountedClient
from benchmarks.soak.ending import End, Kind, end_of
from benchmarks.soak.page import Page
from benchmarks.soak.traffic import STREAM_ITEMS, Arrival
from tidegate.clients import End as ReplyEnd
from tidegate.clients import TidegateError
from tidegate.clients.errors import error_of_call
from tidegate.v1 import sentiment_pb2

LABEL_S, CHAT_S = 15.0, 30.0
"""How long a call may take in all, its retries included."""
ATTEMPTS = 8
"""More than fit into a call's time."""


@dataclass
class Callers:
    """Those who call. `note` is told of each label that failed for good: how long it took, and why."""

    book: Book
    patient: CountedClient
    heedless: CountedClient
    page: Page
    note: Callable[[float, str], None]
    _calls: set["asyncio.Task[None]"] = field(default_factory=set)

    def begin(self, arrival: Arrival) -> None:
        """Make the call, and its twin's beside it."""
        for _ in range(2 if arrival.has_twin else 1):
            call = asyncio.ensure_future(self._make(arrival))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def ended(self, within_s: float) -> None:
        """Return when all calls have ended, or when that takes too long."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=within_s)

    async def _make(self, arrival: Arrival) -> None:
        number, began_s = self.book.begin(arrival.kind), time.monotonic()
        call = asyncio.ensure_future(self._called(arrival))
        await asyncio.wait({call}, timeout=arrival.hangs_up_s)
        if not call.done():
            call.cancel()
        (end,) = await asyncio.gather(call, return_exceptions=True)
        took_s = time.monotonic() - began_s
        if isinstance(end, asyncio.CancelledError):
            end = End.CANCELLED
        elif isinstance(end, TidegateError):
            if arrival.kind is Kind.LABEL:
                said = f"{end.code.name} {end.reason} {end}"
                self.note(took_s, said)
            end = end_of(end)
        elif isinstance(end, BaseException):
            self.book.errors.append(f"{arrival.kind.value}: {type(end).__name__}: {end}")
            end = End.FAILED
        self.book.end(number, end, took_s)

    async def _called(self, arrival: Arrival) -> End:
        client = self.heedless if arrival.is_heedless else self.patient
        match arrival.kind:
            case Kind.LABEL:
                await client.classify(arrival.text, timeout_s=LABEL_S)
                return End.FULL
            case Kind.LABELS:
                return await self._label_stream(client, arrival.text)
            case Kind.CHAT:
                reply = await client.reply(arrival.text, timeout_s=CHAT_S)
                return End.SHORT if reply.degraded else End.FULL
            case Kind.STREAMED:
                return await _heard(client.stream_reply(arrival.text, timeout_s=CHAT_S))
            case Kind.JUDGED:
                return await _heard(client.judge_and_reply(arrival.text, timeout_s=CHAT_S))
            case Kind.PAGE:
                return await self.page.judge(arrival.text)

    async def _label_stream(self, client: CountedClient, text: str) -> End:
        items = {f"{number}": f"{text} {number}" for number in range(STREAM_ITEMS)}

        async def said() -> AsyncIterator[sentiment_pb2.ClassifyStreamRequest]:
            for item_id, item in items.items():
                asked = sentiment_pb2.ClassifyRequest(text=item)
                yield sentiment_pb2.ClassifyStreamRequest(item_id=item_id, request=asked)

        call: Any = client.sentiment.ClassifyStream(said(), timeout=CHAT_S)
        missing, refused = set(items), 0
        try:
            async for answer in call:
                missing.remove(answer.item_id)
                refused += answer.HasField("error")
        except grpc.aio.AioRpcError as error:
            ours = error_of_call(error.code(), error.details(), error.trailing_metadata())
            return end_of(ours, has_begun=len(missing) < STREAM_ITEMS)
        finally:
            call.cancel()
        if missing:
            self.book.errors.append(f"a label stream ended well without {len(missing)} answers")
        return End.REFUSED if refused else End.FULL


async def _heard(stream: Any) -> End:
    """How a stream of events ended."""
    has_begun = False
    try:
        async with aclosing(stream):
            async for event in stream:
                if isinstance(event, ReplyEnd):
                    return End.SHORT if event.degraded else End.FULL
                has_begun = True
    except TidegateError as error:
        return end_of(error, has_begun=has_begun)
    raise RuntimeError("the stream had no end")

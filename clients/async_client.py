"""The client for asyncio: one method per RPC, with deadlines, retries and typed errors.

Knows nothing about how messages look (messages), what an error means (errors) or when to try
again (retry).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import grpc
from typing_extensions import Self, Unpack

from tidegate.clients import messages
from tidegate.clients.answers import (
    Classification,
    ClassifiedItem,
    Delta,
    End,
    Reply,
    Warming,
)
from tidegate.clients.async_bulk import in_order, once
from tidegate.clients.async_calls import answer_of, events_of, messages_of
from tidegate.clients.bulk import CONCURRENCY, options_of
from tidegate.clients.connection import DEFAULT_ADDRESS, Connection
from tidegate.clients.errors import TidegateError
from tidegate.clients.fleet import FleetStatus, InstanceStatus, Role, ScaleStatus
from tidegate.clients.inputs import Item, Turn
from tidegate.clients.options import (
    ChatOptions,
    Chatting,
    Classifying,
    ClassifyOptions,
    JudgeOptions,
    Judging,
    Streaming,
    StreamOptions,
    chosen,
)
from tidegate.clients.patience import checked_concurrency
from tidegate.clients.profiles import ProfileInfo
from tidegate.clients.renewal import Renewal
from tidegate.clients.tls import Tls
from tidegate.v1 import chat_pb2, fleet_pb2, profile_pb2
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.fleet_pb2_grpc import FleetStub
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

if TYPE_CHECKING:
    from tidegate.v1.chat_pb2_grpc import ChatAsyncStub
    from tidegate.v1.fleet_pb2_grpc import FleetAsyncStub
    from tidegate.v1.sentiment_pb2_grpc import SentimentAsyncStub


@dataclass(frozen=True, slots=True)
class _Open:
    """A channel and the stubs made from it."""

    channel: grpc.aio.Channel
    sentiment: SentimentAsyncStub
    chat: ChatAsyncStub
    fleet: FleetAsyncStub


class AsyncClient:
    """Calls a Tidegate balancer (or one server) at host:port, or several at IP:PORT,IP:PORT or dns:///NAME:PORT. Use it with `async with`, or `close` it.

    timeout_s is the time a call may take in all, its retries included; each method takes one
    of its own. attempts counts the first. tls secures the connection, and token travels with every
    call as `authorization: Bearer`. caller is the name under which a balancer has callers take
    turns; without it, it is this host.

    Every method raises a TidegateError and nothing else of gRPC's; cancelling the task that awaits
    cancels the call upstream. All calls, of any number of tasks of one event loop, share one
    connection, which the first of them makes.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout_s: float = 60.0,
        attempts: int = 3,
        tls: Tls | None = None,
        token: str | None = None,
        caller: str | None = None,
    ) -> None:
        self._connection = Connection(address, timeout_s, attempts, tls, token, caller)
        self._opened: _Open | None = None
        self._retired: _Open | None = None
        self._renewal = Renewal(tls)
        self._closing: asyncio.Task[None] | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._opened else "not yet connected"
        return f"<AsyncClient {self._connection.address} | {state}>"

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the calls that are under way, and the connection. It can't be opened again."""
        opened, self._opened, self._is_closed = self._opened, None, True
        for each in (opened, self._retired):
            if each is not None:
                await each.channel.close()

    async def classify(self, text: str, **options: Unpack[ClassifyOptions]) -> Classification:
        """The label that the text deserves."""
        given = chosen(Classifying, "classify", options)
        return await self._classified(text, given)

    async def classify_many(
        self,
        items: Iterable[str | Item] | AsyncIterable[str | Item],
        *,
        concurrency: int = CONCURRENCY,
        **options: Unpack[ClassifyOptions],
    ) -> AsyncGenerator[ClassifiedItem, None]:
        """The outcome of each item, in their order, each as soon as those before it are there.

        At most `concurrency` calls are under way at once, and few more items are taken than that.
        Each item is a call of its own, with its own deadline and retries; one that fails has its
        error as its outcome. Equal items are asked once: of those that follow, is_repeated is True. Raised is only what `items` raises, after the outcomes of what came
        before it. Closing the iterator cancels what is under way.
        """
        given = chosen(Classifying, "classify_many", options)
        self._open()

        async def answer(item: Item) -> ClassifiedItem:
            outcome: Classification | TidegateError
            try:
                outcome = await self._classified(item.text, options_of(item, given))
            except TidegateError as error:
                outcome = error
            return ClassifiedItem(item.item_id, item.text, outcome)

        async with aclosing(
            in_order(once(answer), items, checked_concurrency(concurrency))
        ) as events:
            async for event in events:
                yield event

    async def reply(
        self, text_or_turns: str | Sequence[Turn], **options: Unpack[ChatOptions]
    ) -> Reply:
        """The whole reply at once; under load it may be a DegradedReply."""
        given = chosen(Chatting, "reply", options)
        fields = messages.chat_fields(text_or_turns, given)
        answer = await answer_of(
            self._open().chat.Reply,
            chat_pb2.ReplyRequest(**fields),
            self._connection.terms(given.timeout_s, messages.chat_metadata(given)),
        )
        return messages.reply(answer)

    async def stream_reply(
        self, text_or_turns: str | Sequence[Turn], **options: Unpack[StreamOptions]
    ) -> AsyncGenerator[Warming | Delta | End, None]:
        """The reply as it is written: deltas, then one End (under load, a DegradedEnd).

        progress=True asks for one event more, before them: a Warming, while no instance is hot. Closing the iterator cancels the call; wrap it in contextlib.aclosing when you may leave
        the loop early.
        """
        given = chosen(Streaming, "stream_reply", options)
        fields = messages.chat_fields(text_or_turns, given)
        stream = messages_of(
            self._open().chat.StreamReply,
            chat_pb2.StreamReplyRequest(**fields),
            self._connection.terms(given.timeout_s, messages.chat_metadata(given)),
        )
        events: AsyncGenerator[Warming | Delta | End, None] = events_of(
            stream, messages.stream_event
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def judge_and_reply(
        self, text_or_turns: str | Sequence[Turn], **options: Unpack[JudgeOptions]
    ) -> AsyncGenerator[Warming | Classification | Delta | End, None]:
        """First the sentiment of the last user turn, then the reply's deltas, then one End.

        sentiment_profile names the profile that judges; the rest is as in `stream_reply`.
        """
        given = chosen(Judging, "judge_and_reply", options)
        fields = messages.chat_fields(text_or_turns, given)
        stream = messages_of(
            self._open().chat.JudgeAndReply,
            chat_pb2.JudgeAndReplyRequest(
                **fields, sentiment_profile=given.sentiment_profile or ""
            ),
            self._connection.terms(given.timeout_s, messages.chat_metadata(given)),
        )
        read = messages.JudgeEvents().read
        events: AsyncGenerator[Warming | Classification | Delta | End, None] = events_of(
            stream, read
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def profiles(self, *, timeout_s: float | None = None) -> tuple[ProfileInfo, ...]:
        """The profiles that calls can name now: those that classify, then those that chat.

        One instance of each role answers for all: a fleet is meant to have the same everywhere.
        """
        opened = self._open()
        terms = self._connection.terms(timeout_s, (("tidegate-accept-degraded", "false"),))
        request = profile_pb2.ListProfilesRequest()
        found = [
            await answer_of(method, request, terms)
            for method in (opened.sentiment.ListProfiles, opened.chat.ListProfiles)
        ]
        return tuple(profile for answer in found for profile in messages.profiles(answer))

    async def status(self, *, timeout_s: float | None = None) -> FleetStatus:
        """What the balancer knows of its instances and lanes."""
        answer = await answer_of(
            self._open().fleet.GetStatus,
            fleet_pb2.GetStatusRequest(),
            self._connection.terms(timeout_s),
        )
        return messages.fleet_status(answer)

    async def watch_status(
        self, *, timeout_s: float | None = None
    ) -> AsyncGenerator[FleetStatus, None]:
        """A snapshot at once, then one after each change, and at least one every five seconds.

        It goes on until it is closed; timeout_s bounds it, None doesn't. It is tried again only
        before the first snapshot: a balancer that goes away later ends it with Unavailable.
        """
        stream = messages_of(
            self._open().fleet.WatchStatus,
            fleet_pb2.WatchStatusRequest(),
            self._connection.endless_terms(timeout_s),
        )
        async with aclosing(stream):
            async for message in stream:
                yield messages.fleet_status(message)

    async def drain(self, instance_id: str, *, timeout_s: float | None = None) -> InstanceStatus:
        """Have the balancer send nothing more to an instance; what it has, it finishes.

        Raises InvalidInput when no such instance is known.
        """
        answer = await answer_of(
            self._open().fleet.Drain,
            fleet_pb2.DrainRequest(instance_id=instance_id),
            self._connection.terms(timeout_s),
        )
        return messages.instance_status(answer.instance)

    async def warm(
        self,
        count: int,
        *,
        role: Role = Role.BOTH,
        for_s: int = 3600,
        timeout_s: float | None = None,
    ) -> ScaleStatus:
        """Have at least so many instances of a role hot for a while, for a peak that is foreseen.

        What is missing is started at once. Raises InvalidInput when it is above the role's maximum, and
        TidegateError when the balancer starts no instances of that role.
        """
        answer = await answer_of(
            self._open().fleet.Warm,
            messages.warm_request(role, count, for_s),
            self._connection.terms(timeout_s),
        )
        return messages.scale_status(answer.scale)

    async def pin(
        self, count: int, *, role: Role = Role.BOTH, timeout_s: float | None = None
    ) -> ScaleStatus:
        """Have at least so many instances of a role hot until it is let go: a later pin replaces it, 0 ends it.

        Raises what `warm` does.
        """
        answer = await answer_of(
            self._open().fleet.Pin,
            messages.pin_request(role, count),
            self._connection.terms(timeout_s),
        )
        return messages.scale_status(answer.scale)

    async def _classified(self, text: str, options: Classifying) -> Classification:
        answer = await answer_of(
            self._open().sentiment.Classify,
            messages.classify_request(text, options),
            self._connection.terms(options.timeout_s),
        )
        return messages.classification(answer)

    def _open(self) -> _Open:
        if self._is_closed:
            raise RuntimeError("this client is closed; make a new one")
        if self._opened is None:
            self._opened = self._connected()
        elif self._renewal.is_due():
            # The calls on the old one go on until its certificate has been replaced once more.
            if self._retired is not None:
                self._closing = asyncio.ensure_future(self._retired.channel.close())
            self._retired, self._opened = self._opened, self._connected()
        return self._opened

    def _connected(self) -> _Open:
        target, options, tls = (
            self._connection.target,
            self._connection.options,
            self._connection.tls,
        )
        if tls is None:
            channel = grpc.aio.insecure_channel(target, options)
        else:
            channel = grpc.aio.secure_channel(target, tls.credentials(), options)
        return _Open(channel, SentimentStub(channel), ChatStub(channel), FleetStub(channel))

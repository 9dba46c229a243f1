"""The client for asyncio: one method per RPC, with deadlines, retries and typed errors.

Knows nothing about how messages look (messages), what an error means (errors) or when to try
again (retry).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import grpc

from tidegate.clients import messages
from tidegate.clients.answers import Classification, ClassifiedItem, Delta, End, Reply
from tidegate.clients.async_bulk import classify_stream
from tidegate.clients.async_calls import answer_of, messages_of
from tidegate.clients.bulk import WINDOW, Bulk
from tidegate.clients.channel import channel_options
from tidegate.clients.errors import error_of_broken_stream
from tidegate.clients.fleet import FleetStatus, InstanceStatus, Role, ScaleStatus
from tidegate.clients.inputs import Item, Sampling, Turn
from tidegate.clients.patience import Patience, checked_attempts, checked_timeout, checked_window
from tidegate.v1 import chat_pb2, fleet_pb2
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
    """Calls a Tidegate balancer (or one server) at host:port. Use it with `async with`.

    timeout_s is the time a call may take in all, its retries included; each method takes one
    of its own. attempts counts the first. Every method raises a TidegateError and nothing
    else of gRPC's; cancelling the task that awaits cancels the call upstream. One client
    serves any number of tasks.
    """

    def __init__(
        self, address: str = "localhost:50051", *, timeout_s: float = 60.0, attempts: int = 3
    ) -> None:
        self._address = address
        self._timeout_s = checked_timeout(timeout_s)
        self._attempts = checked_attempts(attempts)
        self._opened: _Open | None = None

    def __repr__(self) -> str:
        return f"<AsyncClient {self._address} | {'open' if self._opened else 'closed'}>"

    async def __aenter__(self) -> AsyncClient:
        channel = grpc.aio.insecure_channel(self._address, channel_options(self._address))
        self._opened = _Open(channel, SentimentStub(channel), ChatStub(channel), FleetStub(channel))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.channel.close()

    async def classify(
        self,
        text: str,
        *,
        profile: str | None = None,
        system_prompt: str | None = None,
        timeout_s: float | None = None,
    ) -> Classification:
        """The label that the text deserves.

        profile names one of kind "classify"; system_prompt replaces the profile's own for this
        call only.
        """
        answer = await answer_of(
            self._open().sentiment.Classify,
            messages.classify_request(text, profile, system_prompt),
            (),
            self._patience(timeout_s),
            self._attempts,
        )
        return messages.classification(answer)

    async def classify_many(
        self,
        items: Iterable[str | Item] | AsyncIterable[str | Item],
        *,
        profile: str | None = None,
        system_prompt: str | None = None,
        timeout_s: float | None = None,
        window: int = WINDOW,
    ) -> AsyncGenerator[ClassifiedItem, None]:
        """The outcome of each item, as soon as it is known; the order may differ from theirs.

        At most `window` items are taken from `items` ahead of their answers. A bad item has an
        error as its outcome; only an error of the whole stream is raised, and one that `items`
        raises, after the answers to what came before it. timeout_s bounds the whole stream;
        None doesn't.
        """
        outcomes = classify_stream(
            self._open().sentiment.ClassifyStream,
            items,
            Bulk(profile, system_prompt),
            Patience(None if timeout_s is None else checked_timeout(timeout_s)),
            self._attempts,
            checked_window(window),
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                yield outcome

    async def reply(
        self,
        text_or_turns: str | Sequence[Turn],
        *,
        profile: str | None = None,
        system_prompt: str | None = None,
        sampling: Sampling | None = None,
        conversation_id: str | None = None,
        accept_degraded: bool = True,
        timeout_s: float | None = None,
    ) -> Reply:
        """The whole reply at once.

        conversation_id lets the balancer prefer the instance that remembers the conversation.
        accept_degraded False: under load rather be shed than get a degraded reply.
        """
        fields = messages.chat_fields(
            text_or_turns, profile, system_prompt, sampling, conversation_id
        )
        answer = await answer_of(
            self._open().chat.Reply,
            chat_pb2.ReplyRequest(**fields),
            messages.chat_metadata(conversation_id, accept_degraded),
            self._patience(timeout_s),
            self._attempts,
        )
        return messages.reply(answer)

    async def stream_reply(
        self,
        text_or_turns: str | Sequence[Turn],
        *,
        profile: str | None = None,
        system_prompt: str | None = None,
        sampling: Sampling | None = None,
        conversation_id: str | None = None,
        accept_degraded: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Delta | End, None]:
        """The reply as it is written: deltas, then one End. The arguments are those of `reply`.

        Closing the iterator cancels the call; wrap it in contextlib.aclosing when you may leave
        the loop early.
        """
        fields = messages.chat_fields(
            text_or_turns, profile, system_prompt, sampling, conversation_id
        )
        stream = messages_of(
            self._open().chat.StreamReply,
            chat_pb2.StreamReplyRequest(**fields),
            messages.chat_metadata(conversation_id, accept_degraded),
            self._patience(timeout_s),
            self._attempts,
        )
        # The end is handed out after the status has come: a caller who leaves the loop with it
        # would otherwise cancel a call that was answered.
        end: End | None = None
        async with aclosing(stream):
            async for message in stream:
                event = messages.stream_event(message)
                if isinstance(event, End):
                    end = event
                elif event is not None:
                    yield event
        if end is None:
            raise error_of_broken_stream()
        yield end

    async def judge_and_reply(
        self,
        text_or_turns: str | Sequence[Turn],
        *,
        profile: str | None = None,
        sentiment_profile: str | None = None,
        system_prompt: str | None = None,
        sampling: Sampling | None = None,
        conversation_id: str | None = None,
        accept_degraded: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Classification | Delta | End, None]:
        """First the sentiment of the last user turn, then the reply's deltas, then one End.

        sentiment_profile names the profile that judges; the rest is as in `stream_reply`.
        """
        fields = messages.chat_fields(
            text_or_turns, profile, system_prompt, sampling, conversation_id
        )
        stream = messages_of(
            self._open().chat.JudgeAndReply,
            chat_pb2.JudgeAndReplyRequest(**fields, sentiment_profile=sentiment_profile or ""),
            messages.chat_metadata(conversation_id, accept_degraded),
            self._patience(timeout_s),
            self._attempts,
        )
        # The end is handed out after the status has come: a caller who leaves the loop with it
        # would otherwise cancel a call that was answered.
        end: End | None = None
        async with aclosing(stream):
            async for message in stream:
                event = messages.judge_event(message)
                if isinstance(event, End):
                    end = event
                elif event is not None:
                    yield event
        if end is None:
            raise error_of_broken_stream()
        yield end

    async def status(self, *, timeout_s: float | None = None) -> FleetStatus:
        """What the balancer knows of its instances and lanes."""
        answer = await answer_of(
            self._open().fleet.GetStatus,
            fleet_pb2.GetStatusRequest(),
            (),
            self._patience(timeout_s),
            self._attempts,
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
            (),
            Patience(None if timeout_s is None else checked_timeout(timeout_s)),
            self._attempts,
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
            (),
            self._patience(timeout_s),
            self._attempts,
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
            (),
            self._patience(timeout_s),
            self._attempts,
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
            (),
            self._patience(timeout_s),
            self._attempts,
        )
        return messages.scale_status(answer.scale)

    def _open(self) -> _Open:
        if self._opened is None:
            raise RuntimeError("this client is closed; use it inside `async with AsyncClient(…)`")
        return self._opened

    def _patience(self, timeout_s: float | None) -> Patience:
        return Patience(self._timeout_s if timeout_s is None else checked_timeout(timeout_s))

"""Answers equal unary calls by one forward, and repeated ones out of a cache when that is on.

The forward runs by itself, so that no caller who leaves can take it away from the others; it ends when the last has left. An
answer goes to all who wait, and so does a verdict on the message itself. Any other ending is told to one of them, and
the others go on as if they came now. Decides nothing about load, and who may share is for core/coalesce.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from tidegate.balancer.core.answer_cache import AnswerCache
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.coalesce import Coalescing
from tidegate.balancer.core.tally import Beside
from tidegate.balancer.dispatcher import DEADLINE_SLACK_S, Dispatcher
from tidegate.balancer.metadata import Metadata, forwarded
from tidegate.v1 import sentiment_pb2

Context = grpc.aio.ServicerContext[bytes, bytes]
Unary = Callable[[bytes, Any], Awaitable[bytes]]

ABOUT_THE_CALLER = frozenset(
    {"baggage", "traceparent", "tracestate", "x-request-id"}
    | {"tidegate-accept-degraded", "tidegate-caller", "tidegate-conversation"}
)
"""Metadata that says who calls, and nothing about the answer. All else is part of what is equal."""
ABOUT_THE_MESSAGE = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
"""Statuses that every equal call would get."""
SHARED_KEY = "tidegate-shared"
IN_FLIGHT, CACHED = "in-flight", "cache"


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a forward ended: with an answer, or with a status."""

    answer: bytes | None
    initial: Metadata
    trailers: Metadata
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""

    @property
    def is_for_all(self) -> bool:
        """Whether everyone who waits for it takes it as it is."""
        return self.code is grpc.StatusCode.OK or self.code in ABOUT_THE_MESSAGE

    async def tell(self, context: Context, *own: tuple[str, str]) -> bytes:
        """End a caller's call in this way, with `own` trailers beside those of the forward."""
        if self.initial:
            await context.send_initial_metadata(self.initial)
        if self.answer is None:
            await context.abort(self.code, self.message, (*self.trailers, *own))
            raise AssertionError("abort returned")
        context.set_trailing_metadata((*self.trailers, *own))
        return self.answer


class _AbortedError(Exception):
    """The forward ended with a status."""


@dataclass(slots=True)
class _Stage:
    """What the forward takes for its caller: it says what the first caller said, and notes what it is told."""

    metadata: Metadata = field(repr=False)
    who: str
    deadline_s: float | None
    now_s: Callable[[], float]
    initial: Metadata = ()
    trailers: Metadata = ()
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""

    def invocation_metadata(self) -> Metadata:
        return self.metadata

    def time_remaining(self) -> float | None:
        return None if self.deadline_s is None else max(self.deadline_s - self.now_s(), 0.0)

    def peer(self) -> str:
        return self.who

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        self.initial = metadata

    def set_trailing_metadata(self, trailers: Metadata) -> None:
        self.trailers = trailers

    async def abort(
        self, code: grpc.StatusCode, message: str = "", trailers: Metadata = ()
    ) -> NoReturn:
        self.code, self.message, self.trailers = code, message, trailers
        raise _AbortedError


@dataclass(slots=True, eq=False)
class _Forward:
    """A forward under way. The pool has counted one call for it: `is_claimed` when one has that as its own."""

    task: "asyncio.Task[_Ending]"
    is_claimed: bool = False

    def claim(self) -> bool:
        """Whether the pool's count is the asking call's own; the first to ask has it."""
        was_claimed, self.is_claimed = self.is_claimed, True
        return not was_claimed


@dataclass(slots=True)
class Sharing:
    """What equal calls share: the forwards under way, and the answers that are remembered."""

    dispatcher: Dispatcher
    answers: AnswerCache[_Ending]
    _coalescing: Coalescing = field(default_factory=Coalescing)
    _forwards: dict[Hashable, _Forward] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    @property
    def waiting(self) -> tuple[int, ...]:
        """How many calls wait for each of the forwards under way."""
        return self._coalescing.waiting

    def share(self, path: str, lane: Lane, unary: Unary) -> Unary:
        """The handler that lets equal calls of `path` share one `unary`."""

        async def shared(request: bytes, context: Any) -> bytes:
            said = tuple(context.invocation_metadata() or ())
            equal = tuple(each for each in forwarded(said) if each[0] not in ABOUT_THE_CALLER)
            return await self._answer((path, request, equal), lane, unary, request, context, said)

        return shared

    async def _answer(
        self,
        key: Hashable,
        lane: Lane,
        unary: Unary,
        request: bytes,
        context: Context,
        said: Metadata,
    ) -> bytes:
        now_s, pool = self.dispatcher.now_s, self.dispatcher.pool
        left_s = context.time_remaining()
        deadline_s = None if left_s is None else now_s() + left_s
        while True:
            known = self.answers.find(key, now_s())
            if known is not None:
                pool.note_beside(lane, Beside.CACHED)
                return await known.tell(context, (SHARED_KEY, CACHED))
            number = next(self._numbers)
            if self._coalescing.join(key, number):
                stage = _Stage(said, context.peer(), deadline_s, now_s)
                task = asyncio.ensure_future(self._run(key, unary, request, stage))
                self._forwards[key] = _Forward(task)
            forward = self._forwards[key]
            try:
                ending = await asyncio.shield(forward.task)
            except asyncio.CancelledError:
                self._leave(key, number, lane, forward, deadline_s)
                raise
            if forward.claim():
                return await ending.tell(context)
            if ending.is_for_all:
                pool.note_beside(lane, Beside.SHARED)
                return await ending.tell(context, (SHARED_KEY, IN_FLIGHT))
            # There was no room, or no luck, for that one; this is another.

    async def _run(self, key: Hashable, unary: Unary, request: bytes, stage: _Stage) -> _Ending:
        """Forward for all who wait, and end their waiting."""
        try:
            answer = await unary(request, stage)
        except _AbortedError:
            return _Ending(None, stage.initial, stage.trailers, stage.code, stage.message)
        else:
            ending = _Ending(answer, stage.initial, stage.trailers)
            self._keep(key, ending, len(request))
            return ending
        finally:
            forward = self._forwards.get(key)
            if forward is not None and forward.task is asyncio.current_task():
                del self._forwards[key]
                self._coalescing.end(key)

    def _leave(
        self, key: Hashable, number: int, lane: Lane, forward: _Forward, deadline_s: float | None
    ) -> None:
        """A caller hung up. With the last one its call ends too, which the pool counts; else this is counted here."""
        if self._forwards.get(key) is forward:
            if self._coalescing.leave(key, number):
                del self._forwards[key]
                forward.task.cancel()
                return
        elif forward.claim():
            return
        expired = (
            deadline_s is not None and deadline_s - DEADLINE_SLACK_S <= self.dispatcher.now_s()
        )
        self.dispatcher.pool.note_beside(lane, Beside.EXPIRED if expired else Beside.CANCELLED)

    def _keep(self, key: Hashable, ending: _Ending, request_bytes: int) -> None:
        if not self.answers.is_on or ending.answer is None:
            return
        said = sentiment_pb2.ClassifyResponse()
        try:
            said.ParseFromString(ending.answer)
        except DecodeError:
            return
        if said.profile and said.profile_version:
            size_bytes = request_bytes + len(ending.answer)
            now = self.dispatcher.now_s()
            self.answers.keep(key, ending, said.profile, said.profile_version, size_bytes, now)

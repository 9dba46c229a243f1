"""Where calls come in and errors go out: deadline, slot, status.

Takes a slot before any work and gives it back on every way out, and is the only place that
ends a call with a status. Knows nothing of what a call asks.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog

from tidegate.server import load_report
from tidegate.server.admission import Admission, Permit
from tidegate.server.call_metadata import CallMetadata, read_metadata
from tidegate.server.engine.call import Times
from tidegate.server.engine.sequence import (
    EngineError,
    EngineStoppedError,
    PromptTooLongError,
    Usage,
)
from tidegate.server.lane import Lane
from tidegate.server.profile import ProfileError
from tidegate.server.queue_time import QueueTime, note_waiting, open_queue_time
from tidegate.server.refusal import (
    Refusal,
    RefusedError,
    Violation,
    refuse_broken,
    refuse_fields,
    refuse_late,
)
from tidegate.server.telemetry.meter import Meter

log = structlog.get_logger()

_DEGRADED = (("tidegate-degraded", "true"),)

# Messages are read and written by the services themselves, see decoding.py.
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Handlers: TypeAlias = Mapping[str, Handler]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a call before its message is read.

    `deadline_s` is a time of the monotonic clock, None for a caller that waits for ever.
    """

    lane: Lane
    deadline_s: float | None
    metadata: CallMetadata


class Edge:
    """The door of one server. `clock` is monotonic, `jitter` draws from 0 to 1."""

    def __init__(
        self,
        admission: Admission,
        meter: Meter,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._admission = admission
        self._meter = meter
        self._clock = clock
        self._jitter = jitter
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until no call holds a slot; the last status may still be on its way."""
        await self._idle.wait()

    @asynccontextmanager
    async def call(self, lane: Lane, context: Context) -> AsyncIterator[Arrival]:
        """Frame the answering of one call: inside it holds a slot of `lane`.

        What is raised inside ends the call with its status. The slot is free again before the
        status leaves, so that a balancer that hears of it can send the next call at once.
        """
        now_s = self._clock()
        queue_time = open_queue_time()
        try:
            remaining_s = context.time_remaining()
            if remaining_s is not None and remaining_s <= 0:
                raise RefusedError(refuse_late())
            permit = self._admit(lane, now_s)
            try:
                deadline_s = None if remaining_s is None else now_s + remaining_s
                metadata = read_metadata(context.invocation_metadata() or ())
                yield Arrival(lane, deadline_s, metadata)
                context.set_trailing_metadata(self._trailers(lane, queue_time))
            finally:
                permit.give_back(self._clock())
                if self._admission.is_idle:
                    self._idle.set()
            self._meter.answered(lane, self._clock() - now_s)
        except asyncio.CancelledError:
            self._meter.cancelled(lane, self._clock() - now_s)
            raise
        except Exception as error:
            if context.cancelled():
                self._meter.cancelled(lane, self._clock() - now_s)
                raise asyncio.CancelledError from error
            refusal = self.explain(error)
            self._meter.refused(lane, refusal.reason.name, self._clock() - now_s)
            await _end(context, refusal)

    def sequence_ended(self, times: Times, usage: Usage) -> None:
        """Hear of a sequence that the engine is done with, in the task of its call."""
        note_waiting(times)
        self._meter.sequence_ended(times, usage)

    def explain(self, error: Exception) -> Refusal:
        """Return what the caller is told of `error`; an unforeseen one is logged with its trace."""
        match error:
            case RefusedError():
                return error.refusal
            case TimeoutError() | asyncio.TimeoutError():
                return refuse_late()
            case PromptTooLongError():
                return refuse_long_prompt("text", error.tokens, error.limit)
            case ProfileError():
                return refuse_fields([Violation("profile", str(error))])
            case EngineStoppedError():
                return self._admission.refuse_draining()
            case EngineError():
                return refuse_broken(error.error_id)
            case _:
                error_id = secrets.token_hex(6)
                log.error("call failed", error_id=error_id, exc_info=error)
                return refuse_broken(error_id)

    def _trailers(self, lane: Lane, queue_time: QueueTime) -> tuple[tuple[str, str | bytes], ...]:
        """What an answer says beside its message; the call itself still counts in the load."""
        lately = self._admission.lately(self._clock())
        report = load_report.load_report(self._admission.utilization, lately)
        told = (
            (load_report.KEY, report),
            (load_report.KEY_FOR_BALANCERS, report),
            queue_time.trailer,
        )
        return (*_DEGRADED, *told) if lane is Lane.DEGRADED else told

    def _admit(self, lane: Lane, now_s: float) -> Permit:
        verdict = self._admission.offer(lane, now_s=now_s, jitter=self._jitter())
        if isinstance(verdict, Refusal):
            raise RefusedError(verdict)
        self._idle.clear()
        return verdict


def refuse_long_prompt(field: str, tokens: int, limit: int) -> Refusal:
    """Return the refusal of a call whose prompt doesn't fit into the model's context."""
    problem = (
        f"with its profile it makes {tokens} tokens; at most {limit - 1} are accepted, "
        f"because the model's context holds {limit}"
    )
    return refuse_fields([Violation(field, problem)])


async def _end(context: Context, refusal: Refusal) -> NoReturn:
    await context.abort(refusal.reason.code, refusal.message, trailing_metadata=refusal.trailers)
    raise AssertionError("abort returned")  # pragma: no cover

"""Tells an OpenTelemetry collector what becomes of each call: a span for the call, its wait and its sends as events.

Only where a collector is named does any of this stand between calls and the proxy; else nothing here is imported. Decides
nothing, and knows nothing of what the messages say.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from random import getrandbits
from random import random as chance
from typing import Any

import grpc
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from typing_extensions import assert_never

from tidegate.balancer.core.call import Call, Outcome
from tidegate.balancer.core.verdict import Send, Shed, Verdict, Wait
from tidegate.balancer.ending import reason_in
from tidegate.balancer.methods import lane_of
from tidegate.balancer.telemetry.meter import Meter
from tidegate.identity.around import Around, Handler
from tidegate.operating.spans import provider_to

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-([0-9a-f]{2}).*")
TRACE_KEYS = frozenset({"traceparent", "tracestate"})

Behaviour = Callable[[Any, Any], Awaitable[Any]]

_propagator = TraceContextTextMapPropagator()
_current: ContextVar[Span | None] = ContextVar("span", default=None)


class Traces:
    """Opens a span for each call, and sends them away in the background."""

    def __init__(self, endpoint: str, share: float, version: str, instance: str) -> None:
        self._share = share
        facts = {
            "service.name": "tidegate-balancer",
            "service.version": version,
            "service.instance.id": instance,
        }
        # Who isn't traced never comes so far.
        self._provider = provider_to(endpoint, facts, ALWAYS_ON)
        self._tracer = self._provider.get_tracer("tidegate.balancer", version)

    async def stop(self) -> None:
        """Send what is left, within the limit."""
        await asyncio.to_thread(self._provider.shutdown)

    def around(self, handlers: grpc.GenericRpcHandler) -> grpc.GenericRpcHandler:
        """The same methods, with a span around each call of a lane."""
        return Around(handlers, self._around)

    def _around(self, path: str, _: Handler, inner: Behaviour) -> Behaviour:
        if lane_of(path) is None:
            return inner

        async def traced(request: Any, context: Any) -> Any:
            said = tuple(context.invocation_metadata() or ())
            decided = is_traced(said)
            if decided is None and chance() >= self._share:  # noqa: S311  # samples, not secret
                return await inner(request, _Untraced(context, said))
            if decided is False:
                return await inner(request, context)
            method = path.lstrip("/")
            facts = {"rpc.system.name": "grpc", "rpc.method": method}
            span = self._tracer.start_span(method, parent_in(said), SpanKind.SERVER, facts)
            watched = _Watched(context, span, said)
            _current.set(span)
            try:
                answer = await inner(request, watched)
                watched.note_end(grpc.StatusCode.OK)
            except asyncio.CancelledError:
                watched.note_end(grpc.StatusCode.CANCELLED)
                raise
            except Exception:
                watched.note_end(grpc.StatusCode.UNKNOWN)
                raise
            finally:
                span.end()
            return answer

        return traced


def is_traced(metadata: tuple[tuple[str, str | bytes], ...]) -> bool | None:
    """Whether whoever calls traces the call, by W3C's header; None for one who says nothing that can be read."""
    for key, value in metadata:
        if key == "traceparent" and isinstance(value, str):
            found = _TRACEPARENT.fullmatch(value)
            return None if found is None else bool(int(found[1], 16) & 1)
    return None


class _Untraced:
    """A call that nobody traces, as the proxy sees it: its metadata says so, lest the instance begin to."""

    __slots__ = ("_context", "_said")

    def __init__(self, context: Any, said: tuple[tuple[str, str | bytes], ...]) -> None:
        self._context = context
        header = f"00-{getrandbits(128) or 1:032x}-{getrandbits(64) or 1:016x}-00"
        others = (each for each in said if each[0] not in TRACE_KEYS)
        self._said = (*others, ("traceparent", header))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What the caller said, and that it isn't traced."""
        return self._said


def parent_in(metadata: tuple[tuple[str, str | bytes], ...]) -> Context:
    """Whose part a call is, by W3C's header; nobody's, where that is missing or can't be read."""
    said = {key: value for key, value in metadata if key in TRACE_KEYS and isinstance(value, str)}
    return _propagator.extract(said, Context())


class _Watched:
    """A call as the proxy sees it: the span stands in its metadata, and hears how it ends."""

    def __init__(self, context: Any, span: Span, said: tuple[tuple[str, str | bytes], ...]) -> None:
        self._context = context
        self._span = span
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, set_span_in_context(span, Context()))
        others = (each for each in said if each[0] not in TRACE_KEYS)
        self._said = (*others, *carrier.items())
        self._has_ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What the caller said, with our span as what its instance is a part of."""
        return self._said

    def set_trailing_metadata(self, trailers: tuple[tuple[str, str | bytes], ...]) -> None:
        """Pass trailers on, and take from them who answered."""
        for key, value in trailers:
            if key in ("tidegate-served-by", "tidegate-shared"):
                self._span.set_attribute(key.replace("-", ".", 1).replace("-", "_"), value)
        self._context.set_trailing_metadata(trailers)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> None:
        """End the call with a status, and note it."""
        self.note_end(code, reason_in(trailing_metadata))
        await self._context.abort(code, details, trailing_metadata)

    def note_end(self, code: grpc.StatusCode, reason: str = "") -> None:
        """The call is over; only its first end counts."""
        if self._has_ended:
            return
        self._has_ended = True
        self._span.set_attribute("rpc.response.status_code", code.name)
        if code is not grpc.StatusCode.OK:
            self._span.set_attribute("error.type", reason or code.name)
            self._span.set_status(Status(StatusCode.ERROR))


class TracedMeter(Meter):
    """A meter that also writes what it is told into the spans of the calls, and their ids beside the durations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._spans: dict[int, Span] = {}

    def offered(self, verdict: Verdict, now: float) -> None:
        """A call came, in the very task that its span was opened in."""
        span = _current.get()
        if span is not None and span.is_recording():
            self._spans[verdict.call.id] = span
            span.set_attribute("tidegate.lane", verdict.call.lane.value)
            self._note(verdict, now)
        super().offered(verdict, now)

    def decided(self, verdict: Verdict, now: float) -> None:
        """A call that waited got its verdict."""
        self._note(verdict, now)
        super().decided(verdict, now)

    def finished(self, send: Send, outcome: Outcome, now: float) -> None:
        """A send is over."""
        if outcome in (Outcome.LOST, Outcome.REFUSED):
            self._add(send.call, "tidegate.send_again", {"tidegate.outcome": outcome.value})
        super().finished(send, outcome, now)

    def answering(self, call: Call, now: float) -> None:
        """The first message of its answer came."""
        self._add(call, "tidegate.first_byte", {})
        super().answering(call, now)

    def _note(self, verdict: Verdict, now: float) -> None:
        call = verdict.call
        match verdict:
            case Wait():
                estimate_ms = round(verdict.estimated_wait_s * 1000)
                self._add(call, "tidegate.wait", {"tidegate.estimated_wait_ms": estimate_ms})
            case Send():
                queued_ms = round(max(verdict.began_s - call.arrived_s, 0.0) * 1000)
                self._add(
                    call,
                    "tidegate.send",
                    {"tidegate.instance": verdict.instance_id, "tidegate.queued_ms": queued_ms},
                )
            case Shed():
                self._add(call, "tidegate.shed", {"tidegate.reason": verdict.reason.value})
            case _:
                assert_never(verdict)

    def _add(self, call: Call, name: str, facts: dict[str, str | int]) -> None:
        span = self._spans.get(call.id)
        if span is not None and span.is_recording():
            span.add_event(name, facts)

    def _end(self, call: Call, ending: str, now: float) -> None:
        super()._end(call, ending, now)
        span = self._spans.pop(call.id, None)
        if span is None:
            return
        if span.is_recording():
            span.set_attribute("tidegate.outcome", ending)
        context = span.get_span_context()
        if context.trace_flags.sampled:
            took_s = max(now - call.arrived_s, 0.0)
            trace_id = f"{context.trace_id:032x}"
            self._durations[call.lane, ending].exemplify(took_s, trace_id, time.time())

"""Tells an OpenTelemetry collector how a call was answered: a span for it, and in it one each for queue, prefill and decode.

Names are those of OpenTelemetry's conventions for RPC and for generative AI. Only where a collector is named does any
of this stand before the services; else nothing here is imported. Knows nothing of what a call asks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidegate.identity.around import Around, Handler
from tidegate.operating.spans import provider_to
from tidegate.server.engine.call import Times
from tidegate.server.engine.sequence import Ending, Usage
from tidegate.server.lane import Lane

_OPERATIONS = {
    f"/{Lane.SENTIMENT.service}/": "classify",
    f"/{Lane.CHAT.service}/": "chat",
}
Behaviour = Callable[[Any, Any], Awaitable[Any]]

_propagator = TraceContextTextMapPropagator()


@dataclass(slots=True)
class _Traced:
    """A call's span, and what its sequences cost so far.

    The engine's times are monotonic, and collectors want those of the wall: `wall_ns` is what lies between, the same
    for all of a call's spans.
    """

    span: Span
    wall_ns: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    endings: list[str] = field(default_factory=list)


_current: ContextVar[_Traced | None] = ContextVar("traced", default=None)


class Traces:
    """Opens a span for each call, and sends them away in the background."""

    def __init__(
        self, endpoint: str, share: float, *, version: str, instance: str, model: str
    ) -> None:
        self._model = model
        facts = {
            "service.name": "tidegate-server",
            "service.version": version,
            "service.instance.id": instance,
        }
        self._provider = provider_to(endpoint, facts, ParentBased(TraceIdRatioBased(share)))
        self._tracer = self._provider.get_tracer("tidegate.server", version)

    async def stop(self) -> None:
        """Send what is left, within the limit."""
        await asyncio.to_thread(self._provider.shutdown)

    def around(self, handlers: grpc.GenericRpcHandler) -> grpc.GenericRpcHandler:
        """The same methods, with a span around each call of a lane."""
        return Around(handlers, self._around)

    def trace_id(self) -> str:
        """The id of the trace that the running task's call is part of; empty where it isn't kept."""
        traced = _current.get()
        if traced is None or not traced.span.is_recording():
            return ""
        return f"{traced.span.get_span_context().trace_id:032x}"

    def sequence_ended(self, times: Times, usage: Usage, ending: Ending | None) -> None:
        """Hear of a sequence that the engine is done with, in the task of its call."""
        traced = _current.get()
        if traced is None or not traced.span.is_recording():
            return
        traced.prompt_tokens += usage.prompt_tokens
        traced.cached_tokens += usage.cached_tokens
        traced.completion_tokens += usage.completion_tokens
        traced.span.set_attributes(
            {
                "gen_ai.usage.input_tokens": traced.prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": traced.cached_tokens,
                "gen_ai.usage.output_tokens": traced.completion_tokens,
            }
        )
        if ending is not None:
            traced.endings.append(ending.value)
            traced.span.set_attribute("gen_ai.response.finish_reasons", traced.endings)
        if times.first_token_s is not None:
            waited_s = times.first_token_s - times.entered_s
            traced.span.set_attribute("gen_ai.response.time_to_first_chunk", waited_s)
        _tell_parts(self._tracer, traced, times)

    def _around(self, path: str, _: Handler, inner: Behaviour) -> Behaviour:
        operation = next(
            (name for start, name in _OPERATIONS.items() if path.startswith(start)), ""
        )
        if not operation:
            return inner
        method = path.lstrip("/")
        facts = {
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "tidegate",
            "gen_ai.request.model": self._model,
            "gen_ai.response.model": self._model,
        }

        async def traced(request: Any, context: Any) -> Any:
            said = {
                key: value
                for key, value in context.invocation_metadata() or ()
                if key in ("traceparent", "tracestate")
            }
            parent = _propagator.extract(said, Context())
            wall_ns = time.time_ns() - time.monotonic_ns()
            began_ns = time.monotonic_ns() + wall_ns
            span = self._tracer.start_span(
                method, parent, SpanKind.SERVER, facts, start_time=began_ns
            )
            watched = _Watched(context, span)
            _current.set(_Traced(span, wall_ns))
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
                span.end(time.monotonic_ns() + wall_ns)
            return answer

        return traced


class _Watched:
    """A call as the services see it; the span hears how it ends."""

    def __init__(self, context: Any, span: Span) -> None:
        self._context = context
        self._span = span
        self._has_ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> None:
        """End the call with a status, and note it."""
        self.note_end(code)
        await self._context.abort(code, details, trailing_metadata=trailing_metadata)

    def note_end(self, code: grpc.StatusCode) -> None:
        """The call is over; only its first end counts."""
        if self._has_ended:
            return
        self._has_ended = True
        self._span.set_attribute("rpc.response.status_code", code.name)
        if code is not grpc.StatusCode.OK:
            self._span.set_attribute("error.type", code.name)
            self._span.set_status(Status(StatusCode.ERROR))


def _tell_parts(tracer: Tracer, traced: _Traced, times: Times) -> None:
    """Make the spans of a sequence's parts, which lie in the past."""
    ended_s = time.monotonic()
    parts: list[tuple[str, float | None, float | None]] = [
        ("queue", times.entered_s, times.began_s or ended_s)
    ]
    if times.began_s is not None:
        read_s = times.scored_s or times.first_token_s or ended_s
        parts.append(("prefill", times.began_s, read_s))
        if times.scored_s is not None and times.first_token_s is not None:
            # What the reply's prompt has beyond the judged one.
            parts.append(("prefill", times.scored_s, times.first_token_s))
        parts.append(("decode", times.first_token_s, times.last_token_s))
    parent, wall_ns = set_span_in_context(traced.span, Context()), traced.wall_ns
    for name, began_s, until_s in parts:
        if began_s is None or until_s is None:
            continue
        part = tracer.start_span(
            name, parent, SpanKind.INTERNAL, start_time=int(began_s * 1e9) + wall_ns
        )
        part.end(int(until_s * 1e9) + wall_ns)

"""Counts and measures calls and sequences as they end.

Is told by the edge and the engine, and answers nothing. Knows nothing about who reads the figures.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from tidegate.server.engine.call import Times
from tidegate.server.engine.sequence import Usage
from tidegate.server.lane import Lane
from tidegate.server.telemetry import catalogue
from tidegate.server.telemetry.catalogue import Metric

CANCELLED = "CANCELLED"


def _no_trace() -> str:
    return ""


class Meter:
    """The figures of one server since its start, registered with `registry`.

    `trace_id` tells which trace the running task's call is part of; the duration then carries it as its exemplar.
    """

    def __init__(
        self, registry: CollectorRegistry, trace_id: Callable[[], str] = _no_trace
    ) -> None:
        def histogram(metric: Metric) -> Histogram:
            return Histogram(
                metric.name,
                metric.meaning,
                metric.labels,
                buckets=metric.buckets,
                registry=registry,
            )

        def counter(metric: Metric) -> Counter:
            return Counter(metric.name, metric.meaning, metric.labels, registry=registry)

        self._trace_id = trace_id
        self._durations = histogram(catalogue.DURATION)
        self._refused = counter(catalogue.REFUSED)
        self._stalled = counter(catalogue.STALLED)
        self._queue = histogram(catalogue.QUEUE)
        self._first_token = histogram(catalogue.FIRST_TOKEN)
        self._per_token = histogram(catalogue.PER_TOKEN)
        self._prompt_tokens = counter(catalogue.PROMPT_TOKENS)
        self._written_tokens = counter(catalogue.WRITTEN_TOKENS)

    def answered(self, lane: Lane, took_s: float) -> None:
        """A call was answered."""
        trace_id = self._trace_id()
        exemplar = {"trace_id": trace_id} if trace_id else None
        self._durations.labels(lane.value, "").observe(took_s, exemplar)

    def refused(self, lane: Lane, reason: str, took_s: float) -> None:
        """A call ended without an answer, and its caller was told why."""
        self._refused.labels(lane.value, reason).inc()
        self._durations.labels(lane.value, reason).observe(took_s)

    def cancelled(self, lane: Lane, took_s: float) -> None:
        """The caller hung up."""
        self._durations.labels(lane.value, CANCELLED).observe(took_s)

    def stalled(self) -> None:
        """A call was ended because it waited for its caller."""
        self._stalled.inc()

    def sequence_ended(self, times: Times, usage: Usage) -> None:
        """The engine is done with a sequence, whatever came of it."""
        if times.began_s is not None:
            self._queue.observe(times.began_s - times.entered_s)
        self._prompt_tokens.inc(usage.prompt_tokens)
        self._written_tokens.inc(usage.completion_tokens)
        if times.first_token_s is None or times.last_token_s is None:
            return
        self._first_token.observe(times.first_token_s - times.entered_s)
        if usage.completion_tokens > 1:
            written_s = times.last_token_s - times.first_token_s
            self._per_token.observe(written_s / (usage.completion_tokens - 1))

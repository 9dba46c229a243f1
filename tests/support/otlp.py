"""A collector of traces: OTLP over gRPC, as OpenTelemetry publishes it, with the spans kept for a test to look at."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Event:
    """Something that happened in a span."""

    name: str
    at_ns: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    service: str
    name: str
    trace_id: str
    id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    facts: dict[str, Any]
    events: tuple[Event, ...]
    is_error: bool

    @property
    def happened(self) -> list[str]:
        """The names of its events, without what ours begin with."""
        return [each.name.removeprefix("tidegate.") for each in self.events]

    @property
    def took_ms(self) -> float:
        return (self.ended_ns - self.began_ns) / 1e6


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    """Takes what comes; from any thread."""

    endpoint: str = ""
    _spans: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._lock:
            for group in request.resource_spans:
                service = facts_of(group.resource.attributes)["service.name"]
                for scope in group.scope_spans:
                    self._spans += [_seen(service, span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Seen]:
        """All of them so far, in the order of their beginnings."""
        with self._lock:
            return sorted(self._spans, key=lambda each: (each.began_ns, -each.ended_ns))


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        facts_of(span.attributes),
        tuple(
            Event(each.name, each.time_unix_nano, facts_of(each.attributes)) for each in span.events
        ),
        span.status.code == 2,
    )


def facts_of(attributes: Any) -> dict[str, Any]:
    return {each.key: _value_of(each.value) for each in attributes}


def _value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value_of(each) for each in value.array_value.values]
    return getattr(value, kind)


def tree(
    spans: list[Seen], parent_id: str = "", began_ns: int | None = None, depth: int = 0
) -> list[str]:
    """The spans of one trace as lines: who, what, from when on and how long, and the events below."""
    lines: list[str] = []
    for span in (each for each in spans if each.parent_id == parent_id):
        zero_ns = span.began_ns if began_ns is None else began_ns
        indent = "  " * depth
        who = f"{span.service}: {span.name}" if depth < 3 else span.name
        from_ms = (span.began_ns - zero_ns) / 1e6
        lines.append(f"{from_ms:8.1f} ms  {span.took_ms:8.1f} ms  {indent}{who}")
        lines += [
            f"{(event.at_ns - zero_ns) / 1e6:8.1f} ms  {'':11}  {indent}  · {event.name}"
            for event in span.events
        ]
        lines += tree(spans, span.id, zero_ns, depth + 1)
    return lines


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a free port for the length of a block."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()

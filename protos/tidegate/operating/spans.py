"""Sends a program's spans to an OpenTelemetry collector, in batches and in the background.

For whoever traces alone: the packages that this imports are an extra. Knows nothing about calls, nor which of them are traced.
"""

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

EXPORT_LIMIT_S = 3.0
"""For a collector that doesn't answer; what it missed is lost, and no call waits for it."""


def provider_to(endpoint: str, facts: Mapping[str, str], sampler: Sampler | None) -> TracerProvider:
    """What makes the spans of the program that `facts` name; its `shutdown` sends what is left, within the limit.

    endpoint takes OTLP over gRPC, like http://127.0.0.1:4317. A sampler of None is the one that the variables of
    OpenTelemetry name.
    """
    provider = TracerProvider(
        sampler=sampler, resource=Resource.create(dict(facts)), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_LIMIT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider

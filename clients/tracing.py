"""Makes a client's call a span of its program's trace, where the program traces; all its attempts are parts of it.

Who traces has imported OpenTelemetry, and says there where traces go: that is how this knows. Where nobody has, a
call costs one look into a dictionary. Knows nothing about what the messages mean.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.clients.errors import TidegateError
from tidegate.clients.patience import Terms

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TRACES = "opentelemetry.trace"
SCOPE = "tidegate.clients"


class TracingMissingError(Exception):
    """The packages that traces need aren't installed."""


def spanned(request: Any, terms: Terms) -> AbstractContextManager[Terms]:
    """The terms of a call for the length of its span, whose place in the trace travels with each attempt."""
    return _spanned(request, terms) if TRACES in sys.modules else nullcontext(terms)


@contextmanager
def _spanned(request: Any, terms: Terms) -> Generator[Terms, None, None]:
    from opentelemetry import propagate, trace

    # Messages are named after their method; the service is a matter of who answers.
    method = str(request.DESCRIPTOR.name).removesuffix("Request")
    facts = {"rpc.system.name": "grpc"}
    span = trace.get_tracer(SCOPE).start_span(method, kind=trace.SpanKind.CLIENT, attributes=facts)
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    try:
        # Never the current span: a stream may be closed in another task than it was opened in.
        yield replace(terms, metadata=(*terms.metadata, *carrier.items()))
    except TidegateError as error:
        _note(span, error.reason or error.code.name)
        raise
    except GeneratorExit:
        # Whoever leaves a stream has had enough, which is no error.
        raise
    except BaseException as error:
        _note(span, type(error).__name__)
        raise
    finally:
        span.end()


def _note(span: Span, error: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR))


def export_to(endpoint: str, version: str) -> None:
    """Have this process send its traces to an OpenTelemetry collector, like http://127.0.0.1:4317.

    `send_the_rest` sends what is left at its end. Raises TracingMissingError.
    """
    try:
        from opentelemetry import trace

        from tidegate.operating.spans import provider_to
    except ImportError as error:
        raise TracingMissingError(f"needs pip install 'tidegate[tracing]' ({error})") from None
    facts = {"service.name": "tidegate", "service.version": version}
    trace.set_tracer_provider(provider_to(endpoint, facts, None))


def send_the_rest() -> None:
    """Send what `export_to` would still send, which takes some seconds where the collector is away."""
    if TRACES not in sys.modules:
        return
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()

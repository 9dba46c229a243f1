"""Serves the metrics over HTTP, on a port of its own and a thread of its own.

Knows nothing about what they mean.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app

from tidegate.identity.listening import ListeningTls
from tidegate.identity.metrics_port import Allows, MetricsPort
from tidegate.server.start_error import StartError

_OPEN_METRICS = "application/openmetrics-text"
_WITH_ITS_COLONS = f"{_OPEN_METRICS}; version=1.0.0; escaping=allow-utf-8"

_App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Exporter:
    """The HTTP server of the metrics in `registry`: over TLS with `tls`, to whom `allows` lets in."""

    def __init__(
        self,
        registry: CollectorRegistry,
        tls: ListeningTls | None = None,
        allows: Allows | None = None,
    ) -> None:
        # When a counter began: a second series beside each, which Prometheus doesn't ask for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._tls = tls
        self._allows = allows
        self._serving: MetricsPort | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises StartError when that is not possible."""
        try:
            # On a thread: it looks up the host's name.
            self._serving = await asyncio.to_thread(self._open, host, port)
        except OSError as error:
            problem = error.strerror or str(error)
            raise StartError(
                f"metrics_listen: {host}:{port} can't be listened on: {problem}"
            ) from None
        return self._serving.port

    async def stop(self) -> None:
        """Close the port."""
        if self._serving is not None:
            await asyncio.to_thread(self._serving.close)

    def _open(self, host: str, port: int) -> MetricsPort:
        app = _keeping_names(make_wsgi_app(self._registry))
        return MetricsPort(host, port, app, self._tls, self._allows)


def _keeping_names(app: _App) -> _App:
    """The same, but the colon in a name stays one.

    Asked for OpenMetrics, as Prometheus asks, prometheus-client writes `vllm_` for `vllm:` unless every name is allowed.
    """

    def asked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if _OPEN_METRICS in environ.get("HTTP_ACCEPT", ""):
            environ["HTTP_ACCEPT"] = _WITH_ITS_COLONS
        return app(environ, start_response)

    return asked

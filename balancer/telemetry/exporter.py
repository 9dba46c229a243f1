"""Serves the metrics over HTTP, on a port of its own.

HTTP and text are made on a thread; the figures are read on the event loop, in one turn of it, so that they
belong to one instant and need no locks. Knows nothing about what they mean.
"""

import asyncio
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Metric,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.registry import Collector

from tidegate.identity.listening import ListeningTls
from tidegate.identity.metrics_port import Allows, MetricsPort

PATIENCE_S = 5.0
"""For a loop that can't keep up; Prometheus itself gives up after 10 s."""


class _OnLoop(Collector):
    """A registry that another thread may read while the loop runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._loop = asyncio.get_running_loop()

    def describe(self) -> Iterable[Metric]:
        """The metrics as they stand; asked once, on the loop."""
        return self._registry.collect()

    def collect(self) -> Iterable[Metric]:
        """The metrics as they stand; not to be asked on the loop."""
        return asyncio.run_coroutine_threadsafe(self._read(), self._loop).result(PATIENCE_S)

    async def _read(self) -> list[Metric]:
        return list(self._registry.collect())


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
        self._served = CollectorRegistry(auto_describe=False)
        self._served.register(_OnLoop(registry))
        self._tls = tls
        self._allows = allows
        self._serving: MetricsPort | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises OSError when that is not possible."""
        # On a thread: it looks up the host's name.
        self._serving = await asyncio.to_thread(self._open, host, port)
        return self._serving.port

    async def stop(self) -> None:
        """Close the port."""
        if self._serving is not None:
            await asyncio.to_thread(self._serving.close)

    def _open(self, host: str, port: int) -> MetricsPort:
        return MetricsPort(host, port, make_wsgi_app(self._served), self._tls, self._allows)

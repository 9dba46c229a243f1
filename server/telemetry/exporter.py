"""Serves the metrics over HTTP, on a port of its own and a thread of its own.

Knows nothing about what they mean.
"""

import asyncio
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server

from tidegate.server.start_error import StartError


class Exporter:
    """The HTTP server of the metrics in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # When a counter began: a second series beside each, which Prometheus doesn't ask for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._serving: tuple[WSGIServer, Thread] | None = None

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
        return self._serving[0].server_port

    async def stop(self) -> None:
        """Close the port."""
        if self._serving is not None:
            server, thread = self._serving
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            await asyncio.to_thread(thread.join)

    def _open(self, host: str, port: int) -> tuple[WSGIServer, Thread]:
        return start_http_server(port, host, self._registry)

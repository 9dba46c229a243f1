"""Runs the gateway on a port until the process is told to stop.

Knows nothing about what is served.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tidegate.clients.tls import Tls
from tidegate.clients.web.balancer import Balancer
from tidegate.clients.web.gateway import Gateway, Say
from tidegate.clients.web.patience import patient_for
from tidegate.identity.listening import ListeningTls

# Replies that are being written may end; the balancer's own longest wait.
GRACE_S = 30
# More than browsers of one team open; what comes beyond is told 503 at once.
_CONNECTIONS = 512


@dataclass(frozen=True, slots=True)
class Security:
    """How a gateway is met (`page`), and by what it calls the balancer."""

    page: ListeningTls | None = None
    tls: Tls | None = None
    token: str | None = field(default=None, repr=False)


OPEN = Security()


async def serve(
    address: str,
    host: str,
    port: int,
    names: Collection[str],
    say: Say,
    on_ready: Callable[[int], None],
    security: Security = OPEN,
) -> None:
    """Serve the page for the balancer at an address until SIGINT or SIGTERM; a second one hurries.

    on_ready is told the port, which is a free one for 0. Raises OSError when there is none to have.
    """
    async with Balancer(address, security.tls, security.token) as balancer:
        gateway = Gateway(balancer, names=names, say=say)
        with listening(host, port) as listener:
            on_ready(int(listener.getsockname()[1]))
            await server_of(gateway, security.page).serve(sockets=[listener])


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket of its own, so that a port in use is an error before anything is told."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        yield listener


def server_of(gateway: Gateway, page: ListeningTls | None = None) -> Server:
    """The server of a gateway, not yet running."""
    return Server(
        _Config(
            page,
            gateway.app,
            http=patient_for(gateway.limits.patience_s),
            ws="none",
            loop="asyncio",
            lifespan="off",
            # Nothing of what a browser sends is logged, not even its path.
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            # Not reached: the gateway ends its streams before.
            timeout_graceful_shutdown=GRACE_S + 5,
        ),
        gateway,
    )


class _Config(uvicorn.Config):
    """uvicorn's settings, with a certificate that is read anew, which it has no setting for."""

    def __init__(self, page: ListeningTls | None, app: ASGIApp, **options: Any) -> None:
        super().__init__(app, **options)
        self._page = page

    def load(self) -> None:
        """As uvicorn makes itself ready."""
        super().load()
        if self._page is not None:
            self.ssl = self._page.context()


class Server(uvicorn.Server):
    """uvicorn's server, which tells the gateway that it stops, and ends with exit code 0."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let replies end, and end what would not."""
        self._gateway.closing.set()
        hurry = asyncio.get_running_loop().call_later(GRACE_S, self._gateway.hurrying.set)
        try:
            await super().shutdown(sockets)
        finally:
            hurry.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hears the signals; uvicorn's own would raise them once more at the end."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self.should_exit:
            self._gateway.hurrying.set()
        self.should_exit = True

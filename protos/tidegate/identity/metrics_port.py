"""Serves one WSGI program over HTTP or HTTPS on a thread of its own, to whoever `allows` lets in.

A handshake runs on its connection's thread and is given a time, so that one who says nothing keeps nobody waiting. Knows
nothing about what is served.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tidegate.identity import bearer
from tidegate.identity.listening import ListeningTls
from tidegate.identity.peer import Peer, peer_of_socket

PATIENCE_S = 10.0
"""How long a connection may say nothing."""

_PEER = "tidegate.peer"

Program: TypeAlias = Callable[[Any, Any], Iterable[bytes]]
Allows: TypeAlias = Callable[[Peer | None, str | None], bool]
"""Takes the certificate and the bearer token that were shown; None where there was none."""


class MetricsPort:
    """A listening port, until it is closed. `port` is the one that was found for 0. Raises OSError when there is none."""

    def __init__(
        self,
        host: str,
        port: int,
        program: Program,
        tls: ListeningTls | None,
        allows: Allows | None,
    ) -> None:
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        context = None if tls is None else tls.context()
        served = type("_Served", (_Server,), {"address_family": family, "context": context})
        self._server = served(where[:2], _Handler)
        self._server.set_app(program if allows is None else _behind(program, allows))
        self.port = int(self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port; blocks for a moment."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, on its own thread."""
        request.settimeout(PATIENCE_S)
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever speaks no TLS, no HTTP, or nothing at all: that is not worth a trace."""

    def server_bind(self) -> None:
        """Bind, without asking for the host's name, which can take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        """As it comes, with who is at the other end."""
        environ: dict[str, Any] = super().get_environ()
        if isinstance(self.connection, ssl.SSLSocket):
            environ[_PEER] = peer_of_socket(self.connection)
        return environ

    def log_message(self, form: str, *values: object) -> None:
        """Nothing of a scrape is logged."""


def _behind(program: Program, allows: Allows) -> Program:
    def guarded(environ: Mapping[str, Any], start: Any) -> Iterable[bytes]:
        token = bearer.bearer_in(environ.get("HTTP_AUTHORIZATION"))
        if allows(environ.get(_PEER), token):
            return program(environ, start)
        start("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain")])
        return [b"a token or a certificate of somebody who may look is needed\n"]

    return guarded

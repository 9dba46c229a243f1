"""Serves one WSGI program over HTTP or HTTPS on a thread of its own, to whoever `allows` lets in.

Each connection has a thread and a time, its handshake included; when there are too many the oldest is closed, so that whoever
holds them open keeps nobody out. Knows nothing about what is served.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from socketserver import ThreadingMixIn
from threading import Lock, Thread, get_ident
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tidegate.identity import bearer
from tidegate.identity.listening import ListeningTls
from tidegate.identity.peer import Peer, peer_of_socket

PATIENCE_S = 10.0
"""How long a connection may last, as long as Prometheus itself waits by default."""
MOST = 16
"""Connections at a time: a few who scrape, each with one."""

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
        patience_s: float = PATIENCE_S,
    ) -> None:
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        context = None if tls is None else tls.context()
        served = type(
            "_Served",
            (_Server,),
            {"address_family": family, "context": context, "patience_s": patience_s},
        )
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
    patience_s = PATIENCE_S

    def __init__(self, *arguments: Any) -> None:
        # By thread, in the order in which they came.
        self._open: dict[int, tuple[float, socket.socket]] = {}
        self._lock = Lock()
        super().__init__(*arguments)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, on its own thread."""
        me = get_ident()
        with self._lock:
            self._open[me] = time.monotonic(), request
            if len(self._open) > MOST:
                _cut(self._open.pop(next(iter(self._open)))[1])
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(me, None)

    def service_actions(self) -> None:
        """Now and then: cut those that last too long."""
        now = time.monotonic()
        with self._lock:
            for me, (began_s, _) in list(self._open.items()):
                if now - began_s < self.patience_s:
                    break
                _cut(self._open.pop(me)[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, on its own thread."""
        # Also against one that dies without a word.
        request.settimeout(self.patience_s)
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        ) as secured:
            with self._lock:
                if (me := get_ident()) in self._open:
                    self._open[me] = self._open[me][0], secured
            secured.do_handshake()
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


def _cut(connection: socket.socket) -> None:
    """End what its thread is doing with it."""
    with suppress(OSError):
        # Of the socket itself: that of TLS would wait for the other side's farewell.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


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

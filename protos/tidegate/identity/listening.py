"""Secures what a program listens on by TLS, 1.2 or newer, with files that are read anew when they change.

Each handshake takes what the files say then, and connections that are there go on as they are, so that nothing is
dropped. Knows nothing about who may call.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from tidegate.identity.pems import PemFiles, Pems
from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched


class ListeningTls:
    """TLS of a port. With `client_ca` nobody comes in without a certificate that it has signed (mTLS).

    Raises IdentityError for files that can't be used. `prefix` is that of the settings.
    """

    def __init__(
        self, cert: Path, key: Path | None, client_ca: Path | None, prefix: str = "tls"
    ) -> None:
        files = PemFiles(prefix, cert, key, client_ca, "client_ca")
        self._pems: Watched[Pems] = files.watched()
        self.asks_for_certificates = client_ca is not None

    def __repr__(self) -> str:
        return f"<ListeningTls {'mTLS' if self.asks_for_certificates else 'TLS'} {self._pems!r}>"

    def credentials(self) -> grpc.ServerCredentials:
        """For a gRPC server, of either stack; TLS 1.2 is gRPC's own minimum."""
        given = -1

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # On a thread of gRPC, at each handshake.
            nonlocal given
            pems = self._pems.value
            if given == self._pems.version:
                return None
            given = self._pems.version
            return _configuration(pems)

        first = _configuration(self._pems.value)
        # Its stubs have forgotten that None says: as before.
        return grpc.dynamic_ssl_server_credentials(
            first,
            fetch,  # type: ignore[arg-type]
            self.asks_for_certificates,
        )

    def context(self) -> ssl.SSLContext:
        """For servers that take a context of Python's, once: it is fresh at every connection."""
        return _FreshContext(lambda: self._pems.value.context)


class _FreshContext(ssl.SSLContext):
    """Hands each connection on to the context that is current then."""

    _current: Callable[[], ssl.SSLContext]

    def __new__(cls, current: Callable[[], ssl.SSLContext]) -> "_FreshContext":
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._current = current
        return made

    def __init__(self, current: Callable[[], ssl.SSLContext]) -> None:
        """Nothing is left to do."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """As asyncio secures a connection."""
        return self._current().wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """As threads secure a connection."""
        return self._current().wrap_socket(*arguments, **options)


def _configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    if pems.key is None or pems.chain is None:
        raise IdentityError(
            "tls_cert: a certificate is needed to listen; give tls_cert and tls_key"
        )
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.chain)], pems.ca)

"""Says how a client's connection is secured: by TLS, by a token, or not at all.

Knows nothing about calls; the files are read when a channel is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tidegate.clients.channel import ChannelOptions
from tidegate.clients.targets import is_loopback

Pem = str | Path | bytes


@dataclass(frozen=True, slots=True)
class Tls:
    """Speak TLS. Each of the first three is a PEM file's path, or its bytes.

    ca: who may sign the other side's certificate; None takes those that gRPC trusts.
    cert, key: our own certificate, where the other side asks for one; both or neither.
    server_name: the name in the other side's certificate, where it is not the one we call.
    """

    ca: Pem | None = None
    cert: Pem | None = None
    key: Pem | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            missing = "key" if self.key is None else "cert"
            raise ValueError(f"tls: cert and key belong together, and {missing} is missing")

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC wants to know. Raises OSError for a file that can't be read."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca),
            private_key=_read(self.key),
            certificate_chain=_read(self.cert),
        )

    def channel_options(self) -> ChannelOptions:
        """The options that a channel needs besides its credentials."""
        if self.server_name is None:
            return []
        return [
            ("grpc.ssl_target_name_override", self.server_name),
            ("grpc.default_authority", self.server_name),
        ]


def checked_token(token: str | None, tls: Tls | None, address: str) -> str | None:
    """The same token; raises ValueError where it would travel for everyone to read, or can't travel."""
    if token is None:
        return None
    if tls is None and not is_loopback(address):
        raise ValueError(f"token: it would travel unencrypted to {address}; give tls=Tls() as well")
    if not (token.isascii() and token.isprintable() and token.strip() == token and token):
        raise ValueError("token: only printable ASCII without spaces around it can be sent")
    return token


def _read(pem: Pem | None) -> bytes | None:
    return pem if pem is None or isinstance(pem, bytes) else Path(pem).read_bytes()

"""Reads the PEM files of one side of TLS, and says what is wrong with them before gRPC would.

Knows nothing about connections.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched


@dataclass(frozen=True, slots=True)
class PemFiles:
    """Where the files lie; `prefix` is that of their settings (`tls` of `tls_cert`), for people.

    `ca` says who may sign the other side's certificate. Raises IdentityError for half of a pair.
    """

    prefix: str
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    ca_field: str = "ca"

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            there, missing = ("key", "cert") if self.cert is None else ("cert", "key")
            given = self.key or self.cert
            raise IdentityError(
                f"{self.prefix}_{there}: {given} is of no use without its other half; "
                f"give {self.prefix}_{missing} as well"
            )

    def watched(self) -> "Watched[Pems]":
        """Their content, read anew when they change."""
        paths = [each for each in (self.cert, self.key, self.ca) if each is not None]
        return Watched(f"{self.prefix}_cert", paths, self.read)

    def read(self) -> "Pems":
        """Their content, checked. Raises IdentityError."""
        chain, key = self._bytes("cert", self.cert), self._bytes("key", self.key)
        ca = self._bytes(self.ca_field, self.ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None and self.key is not None:
            self._load_pair(context, self.cert, self.key)
        if self.ca is not None and ca is not None:
            self._load_ca(context, self.ca, ca)
        return Pems(chain, key, ca, context)

    def _bytes(self, field: str, path: Path | None) -> bytes | None:
        try:
            return None if path is None else path.read_bytes()
        except OSError as error:
            raise IdentityError(
                f"{self.prefix}_{field}: {path} can't be read: {error.strerror or error}; check the path, and that "
                "this process may read it"
            ) from None

    def _load_pair(self, context: ssl.SSLContext, cert: Path, key: Path) -> None:
        try:
            # A password would be asked for on the terminal, where there may be nobody.
            context.load_cert_chain(cert, key, password=_no_password)
        except _PasswordError:
            raise IdentityError(
                f"{self.prefix}_key: {key} asks for a password; give a key without one, which only this "
                "process may read"
            ) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                problem = f"{key} is not the key of the certificate {cert}; give the pair that belongs together"
                raise IdentityError(f"{self.prefix}_key: {problem}") from None
            raise IdentityError(
                f"{self.prefix}_cert: {cert} and {key} can't be used ({error.reason or 'not PEM'}); "
                "a PEM certificate, the chain behind it, and its PEM key are accepted"
            ) from None

    def _load_ca(self, context: ssl.SSLContext, path: Path, ca: bytes) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cadata=ca.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError):
            raise IdentityError(
                f"{self.prefix}_{self.ca_field}: {path} holds no certificate; a PEM file of those who may "
                "sign is accepted"
            ) from None


@dataclass(frozen=True, slots=True)
class Pems:
    """What the files hold; None for a file that isn't given. `context` is for who listens, by Python's own TLS."""

    chain: bytes | None = field(repr=False)
    key: bytes | None = field(repr=False)
    ca: bytes | None = field(repr=False)
    context: ssl.SSLContext = field(repr=False)


class _PasswordError(Exception):
    """A key is locked."""


def _no_password() -> str:
    raise _PasswordError

"""Reads the names in the certificate that the other side of a call has shown.

Chain and validity were checked at the handshake. Knows nothing about whose names they are.
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

MOST_SHOWN = 200
"""Callers take 8 KB of trailers, and a certificate may have more names than that."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A certificate that was shown: its names, URIs (SPIFFE) first, and the SHA-256 of its bytes in lower-case hex."""

    names: tuple[str, ...]
    fingerprint: str

    @property
    def name(self) -> str:
        """The first name; the fingerprint of one that has none."""
        return self.names[0] if self.names else self.fingerprint

    @property
    def shown(self) -> str:
        """All names, for people, cut where there are too many to be told."""
        said = ", ".join(self.names) or "(none)"
        return said if len(said) <= MOST_SHOWN else f"{said[:MOST_SHOWN]}…"


def peer_of(said: Mapping[str, Iterable[bytes]]) -> Peer | None:
    """The peer in gRPC's auth context; None for one who has shown no certificate.

    A common name counts only where there is no other, as everywhere in TLS.
    """
    pem = next(iter(said.get("x509_pem_cert", ())), None)
    if pem is None:
        return None
    names = (*said.get("peer_uri", ()), *said.get("peer_dns", ()))
    if not names and "x509_subject_alternative_name" not in said:
        names = tuple(each for each in said.get("x509_common_name", ()) if each)
    return _peer(pem, names)


def peer_of_socket(secured: ssl.SSLSocket) -> Peer | None:
    """The peer of a connection of Python's own TLS; None for one who has shown no certificate."""
    encoded, said = secured.getpeercert(binary_form=True), secured.getpeercert()
    if encoded is None or not said:
        return None
    found: dict[str, list[str]] = {"URI": [], "DNS": []}
    alternatives: Any = said.get("subjectAltName", ())
    for kind, name in alternatives:
        found.get(kind, []).append(name)
    names = [*found["URI"], *found["DNS"]]
    if not alternatives:
        parts: Any = said.get("subject", ())
        names = [value for part in parts for key, value in part if key == "commonName"]
    return Peer(tuple(names), sha256(encoded).hexdigest())


@lru_cache(maxsize=1024)
def _peer(pem: bytes, names: tuple[bytes, ...]) -> Peer:
    encoded = ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip() + "\n")
    return Peer(
        tuple(each.decode("utf-8", "replace") for each in names), sha256(encoded).hexdigest()
    )

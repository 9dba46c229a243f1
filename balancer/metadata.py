"""Says which metadata passes through the balancer.

What belongs to one hop (pseudo-headers, connection headers, gRPC's own) stays on its hop; all else goes
on unchanged and in order, repeated keys included. gRPC takes in headers that it would not send, and a call that
is given one never ends: those stay here, too. Knows nothing about what the keys mean.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

Metadata = tuple[tuple[str, str | bytes], ...]

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "tidegate-previous-attempts",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
RESERVED_THAT_PASS = frozenset({"grpc-status-details-bin", "grpc-retry-pushback-ms"})
"""Part of an answer, though gRPC reserves the prefix."""
BETWEEN_US = frozenset({"tidegate-mode"})
"""Said by the balancer to an instance; whoever calls the balancer has no say in it."""
TOLD_AS = {"tidegate-load-bin": "endpoint-load-metrics-bin"}
"""gRPC keeps the latter to itself when it comes in, so instances say it under a name that comes through."""
OURS = frozenset({"tidegate-served-by", "tidegate-queue-duration-ms", "tidegate-shared"})
"""Said by the balancer alone."""

_KEY = re.compile(r"[0-9a-z_.-]+")


@lru_cache(maxsize=1024)
def _is_for_all_hops(key: str) -> bool:
    """Whether the key can be sent, and means something to more than its own hop."""
    if not _KEY.fullmatch(key) or key.startswith("grpc-"):
        return False
    return key not in HOP_BY_HOP


def _is_sendable(key: str, value: str | bytes) -> bool:
    """Whether gRPC sends the value under the key: bytes where it ends so, else printable ASCII."""
    if isinstance(value, bytes):
        return key.endswith("-bin")
    return value.isascii() and value.isprintable() and not key.endswith("-bin")


def forwarded(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Metadata of a request, or the initial metadata of an answer, for the next hop."""
    return tuple(
        (key, value)
        for key, value in metadata or ()
        if _is_for_all_hops(key) and key not in BETWEEN_US and _is_sendable(key, value)
    )


def forwarded_trailers(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Trailers of an answer for the next hop, the instance's status details and hints included."""
    return tuple(
        (TOLD_AS.get(key, key), value)
        for key, value in metadata or ()
        if (key in RESERVED_THAT_PASS or (_is_for_all_hops(key) and key not in OURS))
        and _is_sendable(key, value)
    )

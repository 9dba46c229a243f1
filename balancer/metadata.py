"""Says which metadata passes through the balancer.

What belongs to one hop (pseudo-headers, connection headers, gRPC's own) stays on its hop; all else goes
on unchanged and in order, repeated keys included. Knows nothing about what the keys mean.
"""

from collections.abc import Iterable

Metadata = tuple[tuple[str, str | bytes], ...]

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
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
OURS = frozenset({"tidegate-served-by", "tidegate-queue-duration-ms"})
"""Said by the balancer alone."""


def forwarded(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Metadata of a request, or the initial metadata of an answer, for the next hop."""
    return tuple(
        (key, value)
        for key, value in metadata or ()
        if not (key.startswith((":", "grpc-")) or key in HOP_BY_HOP or key in BETWEEN_US)
    )


def forwarded_trailers(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Trailers of an answer for the next hop, the instance's status details and hints included."""
    return tuple(
        (TOLD_AS.get(key, key), value)
        for key, value in metadata or ()
        if key in RESERVED_THAT_PASS
        or not (key.startswith((":", "grpc-")) or key in HOP_BY_HOP or key in OURS)
    )

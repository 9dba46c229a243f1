"""How a call ended, as its caller saw it. Knows nothing of systems or figures."""

from dataclasses import dataclass
from enum import Enum

import grpc

from benchmarks.overload.traffic import Lane


class End(Enum):
    """What a call came to."""

    FULL = "full"
    DEGRADED = "degraded"
    SHED = "shed"
    EXPIRED = "expired"
    FAILED = "failed"


_ENDS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: End.SHED,
    # What gRPC makes of a proxy's bare 429, 502, 503 and 504.
    grpc.StatusCode.UNAVAILABLE: End.SHED,
    grpc.StatusCode.DEADLINE_EXCEEDED: End.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is over. Seconds count from the moment at which it was due to be made."""

    at_s: float
    lane: Lane
    tokens: int
    end: End
    took_s: float


def end_of(code: grpc.StatusCode, is_degraded: bool) -> End:
    """Return what a status means to a caller."""
    if code is grpc.StatusCode.OK:
        return End.DEGRADED if is_degraded else End.FULL
    return _ENDS.get(code, End.FAILED)

"""Decides what a shed call is told about coming back.

A hint says "at least": it is jittered upward only, and capped at 30 s. Knows nothing about the wire.
"""

from typing_extensions import assert_never

from tidegate.balancer.core.route import Random
from tidegate.balancer.core.verdict import Backlog, Reason

MAX_S = 30.0
MIN_S = 0.1
JITTER = 0.2
UNKNOWN_S = 1.0
"""Advice when nothing has been measured yet."""
UNAVAILABLE_S = 1.0
"""The interval of the health check: no other instance can be known sooner."""
LOST_S = 0.2
"""Another instance is there, or the next report of membership says that none is."""


def retry_after_s(reason: Reason, backlog: Backlog, rng: Random) -> float | None:
    """Seconds until coming back makes sense; None when it is no use."""
    match reason:
        case Reason.QUEUE_TIMEOUT | Reason.EXPIRED:
            return None
        case Reason.INSTANCE_LOST:
            return _jittered(LOST_S, rng)
        case Reason.NO_INSTANCE | Reason.DRAINING | Reason.OVERLOADED:
            return _jittered(UNAVAILABLE_S, rng)
        case (
            Reason.QUEUE_FULL
            | Reason.WAIT_TOO_LONG
            | Reason.DEADLINE_UNREACHABLE
            | Reason.DEGRADED_ONLY
        ):
            # By then half of those that wait now have gone: room for who comes back.
            return _jittered(backlog.estimated_wait_s / 2.0 or UNKNOWN_S, rng)
        case _:
            assert_never(reason)


def _jittered(wanted_s: float, rng: Random) -> float:
    return min(max(wanted_s, MIN_S) * (1.0 + JITTER * rng.random()), MAX_S)

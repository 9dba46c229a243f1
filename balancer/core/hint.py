"""Decides what a shed call is told about coming back.

A hint says "at least": it is jittered upward only, and capped at 30 s. Knows nothing about the wire.
"""

from typing_extensions import assert_never

from tidegate.balancer.core.route import Random
from tidegate.balancer.core.verdict import Backlog, Reason

MAX_S = 30.0
MIN_S = 0.1
JITTER = 0.2
PROMISES_S = 45.0
"""The room of so many seconds is promised: the longest hint, and half of the longest wait after it."""
UNKNOWN_S = 1.0
"""Advice when nothing has been measured yet."""
UNAVAILABLE_S = 1.0
"""The interval of the health check: no other instance can be known sooner."""
LOST_S = 0.2
"""Another instance is there, or the next report of membership says that none is."""


def retry_after_s(reason: Reason, backlog: Backlog, promised_s: float, rng: Random) -> float | None:
    """Seconds until coming back makes sense; None when it is no use.

    `promised_s` is how long the lane needs for those who were told to come back before; when that is
    beyond all that can be promised, coming back is no use.
    """
    match reason:
        case Reason.QUEUE_TIMEOUT | Reason.EXPIRED:
            return None
        case Reason.INSTANCE_LOST:
            return _jittered(LOST_S, rng)
        case Reason.NO_INSTANCE | Reason.DRAINING | Reason.OVERLOADED:
            return _jittered(UNAVAILABLE_S, rng)
        case Reason.WARMING_UP:
            # The wait is for the warm-up then; one that is late may end at any moment.
            return _jittered(backlog.estimated_wait_s or UNAVAILABLE_S, rng)
        case (
            Reason.QUEUE_FULL
            | Reason.WAIT_TOO_LONG
            | Reason.DEADLINE_UNREACHABLE
            | Reason.DEGRADED_ONLY
        ):
            if promised_s > PROMISES_S:
                # Whoever came at the longest hint would come in vain, and again.
                return None
            # By then half of those that wait now have gone, and those whose turn comes before.
            return _jittered(backlog.estimated_wait_s / 2.0 + promised_s or UNKNOWN_S, rng)
        case _:
            assert_never(reason)


def is_for_room(reason: Reason) -> bool:
    """Whether the hint says when there will be room: a promise, to be kept."""
    return reason in (
        Reason.QUEUE_FULL,
        Reason.WAIT_TOO_LONG,
        Reason.DEADLINE_UNREACHABLE,
        Reason.DEGRADED_ONLY,
    )


def _jittered(wanted_s: float, rng: Random) -> float:
    return min(max(wanted_s, MIN_S) * (1.0 + JITTER * rng.random()), MAX_S)

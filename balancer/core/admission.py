"""Decides whether a newcomer may stay, and whether a call can still be answered in time.

Knows nothing about instances or queues but the few figures that it is given.
"""

import math
from dataclasses import dataclass

from tidegate.balancer.core.call import Call
from tidegate.balancer.core.policy import LanePolicy
from tidegate.balancer.core.verdict import Reason

FIRST_SHARE = 0.9
"""While some are expected back, the last tenth of a lane is theirs."""
MOST_BYTES = 8 << 20
"""Of all messages that wait in a lane together: 1,024 of 8 KB, or 80 of the longest texts."""
RETRIED_SHARE = 0.8
"""Who comes again unasked finds a lane shorter by a fifth."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a lane offers a newcomer: it goes at once, or waits `wait_s` behind others.

    `ready_s` is when the next instance is expected to be hot, for the time when there are none. `delay_s`
    is what the balancer itself adds to the call, as it can't keep up; half of that is over. `held_bytes` are those of all messages
    that would wait, the newcomer's included.
    """

    instances: int
    has_room: bool
    depth: int
    wait_s: float
    needs_s: float
    in_flight: int
    ready_s: float | None = None
    delay_s: float = 0.0
    held_bytes: int = 0

    def is_full(self, max_waiting: int) -> bool:
        """Whether there is no place to wait in."""
        return self.depth >= max_waiting or self.held_bytes > MOST_BYTES


def refusal(
    outlook: Outlook, policy: LanePolicy, deadline_s: float | None, now: float
) -> Reason | None:
    """Why a newcomer can't stay; None if it may go or wait."""
    if not outlook.instances:
        if outlook.ready_s is not None and outlook.is_full(policy.max_waiting):
            return Reason.WARMING_UP
        limit_s = now + policy.wait_s
        return refusal_while_cold(outlook.ready_s, outlook.needs_s, limit_s, deadline_s)
    if not outlook.has_room and outlook.is_full(policy.max_waiting):
        return Reason.QUEUE_FULL
    if not outlook.has_room and outlook.wait_s > policy.wait_s:
        return Reason.WAIT_TOO_LONG
    wait_s = 0.0 if outlook.has_room else outlook.wait_s
    if wait_s + outlook.delay_s > policy.wait_s:
        return Reason.OVERLOADED
    begins_s = now + wait_s + outlook.delay_s / 2.0
    if not is_reachable(deadline_s, begins_s, outlook.needs_s, outlook.in_flight):
        return Reason.DEADLINE_UNREACHABLE
    return None


def refusal_while_cold(
    ready_s: float | None, needs_s: float, limit_s: float, deadline_s: float | None
) -> Reason | None:
    """Why a call can't wait for the next instance that becomes hot; None if it may.

    It may when the warm-up ends before the lane's limit, and leaves the time that an answer takes.
    """
    if ready_s is None:
        return Reason.NO_INSTANCE
    if ready_s > limit_s or (deadline_s is not None and ready_s + needs_s > deadline_s):
        return Reason.WARMING_UP
    return None


def bounds_of(
    policy: LanePolicy, call: Call, *, is_promised: bool, are_expected: bool
) -> LanePolicy:
    """The bounds of a lane for this call: all of it for one that was promised room.

    When not all can stay, those go first that come again unasked: callers who repeat themselves
    would otherwise crowd out those who ask once. First tries leave some for those who were told to come back.
    """
    if is_promised or not (call.is_retried or are_expected):
        return policy
    share = RETRIED_SHARE if call.is_retried else FIRST_SHARE
    return LanePolicy(
        wait_s=policy.wait_s * share, max_waiting=math.ceil(policy.max_waiting * share)
    )


def is_reachable(deadline_s: float | None, begins_s: float, needs_s: float, in_flight: int) -> bool:
    """Whether a call that begins then is likely to be answered before its deadline.

    An idle lane always takes a call: its answer is the only way to learn that an old estimate
    no longer holds.
    """
    return deadline_s is None or not in_flight or begins_s + needs_s <= deadline_s


def expiry_reason(deadline_s: float | None, now: float) -> Reason:
    """Why a waiting call whose time is up ends: by its own deadline or by the lane's limit."""
    if deadline_s is not None and deadline_s <= now:
        return Reason.EXPIRED
    return Reason.QUEUE_TIMEOUT

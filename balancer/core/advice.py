"""Decides what a call that is shed hears about coming back, and keeps the promises that this makes.

A hint that says when there will be room is a promise: the next one to be shed is told a later time, and who comes back as told
finds more room than others. Knows nothing about who is shed or why.
"""

from tidegate.balancer.core.admission import bounds_of
from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.hint import is_for_room, retry_after_s
from tidegate.balancer.core.policy import LanePolicy
from tidegate.balancer.core.promises import Promises
from tidegate.balancer.core.route import Random
from tidegate.balancer.core.verdict import Backlog, Reason

PROMISED_SHARE = 0.8
"""Of what a lane takes up, promises are made of so much: first tries come all the while."""


class Advice:
    """The promises of all lanes."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._promises = {lane: Promises() for lane in Lane}

    def is_promised(self, call: Call, now: float) -> bool:
        """Whether the call comes back as it was told; to be asked once, for that claims the promise."""
        promises = self._promises[call.lane]
        promises.lapse(now)
        return call.is_retried and promises.claim(call.caller, now)

    def bounds(self, policy: LanePolicy, call: Call, *, is_promised: bool) -> LanePolicy:
        """The bounds of a lane for this call, as far as some are expected back."""
        are_expected = self._promises[call.lane].expected >= 1.0
        return bounds_of(policy, call, is_promised=is_promised, are_expected=are_expected)

    def hint_s(
        self, call: Call, reason: Reason, backlog: Backlog, drain_s: float, now: float
    ) -> float | None:
        """Seconds until coming back makes sense; None when it is no use.

        `drain_s` is how long the lane needs for each of its calls.
        """
        promises = self._promises[call.lane]
        promised_s = promises.expected * drain_s / PROMISED_SHARE
        after_s = retry_after_s(reason, backlog, promised_s, self._rng)
        if after_s is not None and is_for_room(reason):
            due_s = now + after_s
            if call.deadline_s is None or due_s < call.deadline_s:
                promises.give(call.caller, due_s)
        return after_s

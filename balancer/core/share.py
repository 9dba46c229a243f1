"""Decides how many calls of a lane this balancer may have with all instances, when others send to them too.

An instance that refuses a call says that the slots are taken, not by whom: what is ours can only be found by yielding and
asking again. After a refusal nothing is allowed, and then a share of the slots that grows with the square root of
time: no slot that comes free is taken back before that, and the next try comes the later the more one has, by the
square of it. So balancers that never hear of each other end with equal shares. Knows nothing about instances.
"""

import math
from dataclasses import dataclass

PART = 0.3
"""Of a service time, until all slots are allowed again. Longer: fewer refusals, and slots that stay empty until somebody
tries. Over twenty seeds of `simulate four-balancers` the largest share is 8 % above the smallest in the mean, with
eight refusals a second for each balancer and 99 % of the work that one balancer gets done. In proportion to time (and with what was
in flight as the start, after Chiu and Jain) it was 20 %: a slot that comes free in half of the cases went back to who had it."""
SHORTEST_S = 0.02
"""Nobody asks again sooner."""
HOP_S = 0.005
"""For each slot: tries closer together would be several before the first refusal has come back."""
EPSILON_S = 1e-6
"""Room for rounding, so that a timer that fires exactly when one more is due finds it due."""


@dataclass(slots=True)
class Share:
    """The share of one lane: of `slots`, `length_s` after the last refusal at `since_s` all are allowed."""

    since_s: float = -math.inf
    length_s: float = 0.0
    slots: int = 0

    def is_bounded(self, now: float) -> bool:
        """Whether a refusal still sets a bound."""
        return now - self.since_s + EPSILON_S < self.length_s

    def allows(self, now: float) -> float:
        """How many calls may be under way; inf when nobody has refused any for a while."""
        if not self.is_bounded(now):
            return math.inf
        passed_s = now - self.since_s + EPSILON_S
        return self.slots * math.sqrt(passed_s / self.length_s) if passed_s >= SHORTEST_S else 0.0

    def grows_s(self, in_flight: int) -> float:
        """When one more than these may be under way."""
        part = min((in_flight + 1) / self.slots, 1.0) if self.slots else 1.0
        return self.since_s + max(self.length_s * part * part, SHORTEST_S)

    def refuse(self, slots: int, service_s: float, now: float) -> None:
        """Note a refusal by one of so many slots, whose calls take so long."""
        self.length_s = max(service_s * PART, slots * HOP_S, SHORTEST_S)
        self.slots, self.since_s = slots, now

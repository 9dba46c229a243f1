"""Decides how many calls of a lane this balancer may have with all instances, when others send to them too.

An instance that refuses a call says that the slots are taken, not by whom: what is ours can only be found by asking for
more and yielding. Additive increase, multiplicative decrease, after Chiu and Jain (1989): one more call an interval, and an
eighth less at a refusal, so that who has more yields more, and balancers that never hear of each other end with equal
shares. Without refusals there is no bound. Knows nothing about instances.
"""

import math
from dataclasses import dataclass

BACKOFF = 0.87
"""With `PART` of the pairs tried the one with the best balance of even shares and full slots: over eight seeds of
`simulate four-balancers` the largest share is 20 % above the smallest on average; it was 76 % above by holds alone."""
SHORTEST_S, LONGEST_S = 0.02, 1.0
EPSILON = 1e-6
"""Room for rounding, so that a timer that fires exactly when one more is due finds it due."""
PART = 0.015
"""Of a service time, between two tries: a slot that one yields is found by another soon."""


@dataclass(slots=True)
class Share:
    """The share of one lane, in calls: `value` at `since_s`, growing from there."""

    value: float = math.inf
    since_s: float = 0.0
    interval_s: float = LONGEST_S

    @property
    def is_bounded(self) -> bool:
        """Whether refusals have set a bound."""
        return self.value < math.inf

    def allows(self, now: float) -> float:
        """How many calls may be under way; inf when nobody has refused any."""
        return self.value + max(now - self.since_s, 0.0) / self.interval_s + EPSILON

    def grows_s(self, in_flight: int) -> float | None:
        """When one more than these may be under way; None when they may be at any time."""
        if not self.is_bounded:
            return None
        return self.since_s + max(in_flight + 1 - self.value, 0.0) * self.interval_s

    def refuse(self, in_flight: int, service_s: float, now: float) -> None:
        """Note a refusal while so many others were under way.

        Once in an interval: refusals that come together were of one moment.
        """
        if self.is_bounded and now - self.since_s < self.interval_s:
            return
        self.interval_s = min(max(service_s * PART, SHORTEST_S), LONGEST_S)
        self.value, self.since_s = max(in_flight * BACKOFF, 0.0), now

    def forget(self, slots: int, now: float) -> None:
        """Lift the bound when it has grown beyond all the slots there are."""
        if self.allows(now) > slots:
            self.value = math.inf

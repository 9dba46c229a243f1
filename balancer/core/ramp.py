"""Decides how many calls a fresh instance takes: one at first, all of its slots after a while.

Caches and threads of a fresh instance are cold, so that its first calls are its slowest. Grows
linearly, after Envoy's slow start with its aggression of 1. Knows nothing about who is fresh.
"""

from dataclasses import dataclass

EPSILON = 1e-9
"""Room for rounding, so that a timer that fires exactly when a slot is due finds it due."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """The growth of one instance from `began_s` on, for `length_s` > 0."""

    began_s: float
    length_s: float

    def allows(self, slots: int, now: float) -> int:
        """How many of `slots` may be used now; one at least, where there is one."""
        share = min(max((now - self.began_s) / self.length_s, 0.0), 1.0)
        return min(slots, 1 + int((slots - 1) * share + EPSILON))

    def grows_s(self, slots: int, now: float) -> float | None:
        """When the next slot comes into use; None when all are."""
        allowed = self.allows(slots, now)
        if allowed >= slots:
            return None
        return self.began_s + self.length_s * allowed / (slots - 1)

    def is_over(self, now: float) -> bool:
        """Whether all slots are in use."""
        return now >= self.began_s + self.length_s

"""Tells how fast calls ended lately, and how full the lanes were: averages in which the past fades.

Meshes weigh instances by the quotient of both, which is how many calls a second one could answer; with levels read
at one instant in place of means, it would depend on who asks. Takes the time as an argument; knows nothing of calls.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.server.lane import Lane

FADES_S = 10.0
"""After so many seconds a moment counts for a third of what it did."""
_SEEN_AT_LEAST_S = 1.0
"""One call in the first instant doesn't make a thousand a second."""


@dataclass(frozen=True, slots=True)
class Lately:
    """The last seconds: calls that ended a second, and the mean of the fullest lane, 0 to 1."""

    calls_a_second: float = 0.0
    utilization: float = 0.0


class Recent:
    """The averages of one instance. A time before the last one is taken for that."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._levels = dict.fromkeys(lanes, 0.0)
        # Seconds of each lane's level, and calls, as much as they still count.
        self._sums = dict.fromkeys(self._levels, 0.0)
        self._ended = 0.0
        self._began_s: float | None = None
        self._at_s = 0.0

    def fill(self, lane: Lane, level: float, now_s: float) -> None:
        """The lane is so full from now on."""
        self._go_to(now_s)
        self._levels[lane] = level

    def note_end(self, now_s: float) -> None:
        """A call ended."""
        self._go_to(now_s)
        self._ended += 1

    def lately(self, now_s: float) -> Lately:
        """How the last seconds were."""
        began_s = self._go_to(now_s)
        seen_s = max(self._at_s - began_s, _SEEN_AT_LEAST_S)
        # What a level of 1, or a call a second, would have come to in that time.
        full = FADES_S * -math.expm1(-seen_s / FADES_S)
        return Lately(self._ended / full, max(self._sums.values(), default=0.0) / full)

    def _go_to(self, now_s: float) -> float:
        """Let the time pass; returns when it began."""
        if self._began_s is None:
            self._began_s = self._at_s = now_s
        now_s = max(now_s, self._at_s)
        kept = math.exp((self._at_s - now_s) / FADES_S)
        self._at_s = now_s
        self._ended *= kept
        for lane, level in self._levels.items():
            self._sums[lane] = self._sums[lane] * kept + level * FADES_S * (1 - kept)
        return self._began_s

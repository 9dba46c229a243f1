"""Decides when a start may be tried again after one failed: each time twice as late, up to a bound.

Knows nothing about what failed.
"""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class BackOff:
    """The failures in a row, and until when nothing is started."""

    first_s: float
    longest_s: float
    failures: int = 0
    until_s: float = -math.inf

    def fail(self, now: float) -> None:
        """Take in a failure. Those reported while nothing may start anyway are one and the same."""
        if now >= self.until_s:
            wait_s = min(self.first_s * 2.0 ** min(self.failures, 30), self.longest_s)
            self.failures, self.until_s = self.failures + 1, now + wait_s

    def succeed(self) -> None:
        """Take in that one became hot."""
        self.failures, self.until_s = 0, -math.inf

    def is_on(self, now: float) -> bool:
        """Whether nothing is to be started yet."""
        return now < self.until_s

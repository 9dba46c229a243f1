"""Estimates how long a call takes and how long a newcomer would wait.

A lane's service time is learnt from its last 128 answers: their mean gives the rate at which a full lane
drains, their mean and spread what one call is safe with. Without a single answer nothing is known, and
nothing is refused because of it. Knows nothing about deadlines or reasons.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

SAMPLES = 128
"""Enough for a steady spread, few enough to follow a change of load within a minute of chats."""
OUTLIER = 8.0
"""An answer counts as at most so many medians: what took longer stood still, with its instance or the whole machine. Without that bound
eight labels of 128 that were stopped for 40 s made 36 s "safe", and who had 15 s was turned away until they were forgotten."""
KNOWN = 16
"""Answers by which a median is worth something."""
LIKELY_DEVIATIONS, SAFE_DEVIATIONS = 2.0, 3.25
"""Of replies, whose lengths vary by half of their mean, 1 in 25 takes longer than the one, 1 in 150 than the other."""


@dataclass(slots=True)
class ServiceTime:
    """The moving estimate of one lane's service time, in seconds."""

    _recent: deque[float] = field(default_factory=deque)
    _sorted: list[float] = field(default_factory=list)
    _sum_s: float = 0.0
    _sum_of_squares: float = 0.0

    def learn(self, duration_s: float) -> None:
        """Take in how long an answer took."""
        if len(self._recent) >= KNOWN:
            duration_s = min(duration_s, OUTLIER * self.median_s)
        if len(self._recent) == SAMPLES:
            oldest = self._recent.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
            self._sum_s -= oldest
            self._sum_of_squares -= oldest * oldest
        self._recent.append(duration_s)
        insort(self._sorted, duration_s)
        self._sum_s += duration_s
        self._sum_of_squares += duration_s * duration_s

    def learn_at_least(self, duration_s: float) -> None:
        """Take in a call that ended unanswered after `duration_s`.

        It would have taken longer: news only if the estimate is shorter than that.
        """
        if duration_s > self.median_s:
            self.learn(duration_s)

    @property
    def mean_s(self) -> float:
        """Mean of the recent answers; 0 when nothing is known."""
        return max(self._sum_s, 0.0) / len(self._recent) if self._recent else 0.0

    @property
    def median_s(self) -> float:
        """Median of the recent answers; 0 when nothing is known."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0.0

    @property
    def safe_s(self) -> float:
        """What hardly any answer takes longer than; 0 when nothing is known.

        A call that runs out of time takes all the slot-seconds that it had with it, and those that
        are lost are the long ones: simulated at 2, 5 and 10 times the load, goodput was 0.78, 0.53
        and 0.31 of capacity with the median in place of this, 0.94, 0.93 and 0.95 with the 97th
        percentile, and is 0.98 or more by this (`tidegate-balancer simulate surge-2x`, two seeds).
        Mean and deviation are steadier than the slowest few of the answers.
        """
        return self.mean_s + SAFE_DEVIATIONS * self._deviation_s

    @property
    def likely_s(self) -> float:
        """What most answers don't take longer than; 0 when nothing is known."""
        return self.mean_s + LIKELY_DEVIATIONS * self._deviation_s

    @property
    def _deviation_s(self) -> float:
        if not self._recent:
            return 0.0
        variance = self._sum_of_squares / len(self._recent) - self.mean_s**2
        return math.sqrt(max(variance, 0.0))


def estimated_wait_s(ahead: float, slots: float, mean_s: float) -> float:
    """Time until a call with `ahead` others before it gets one of `slots` busy slots.

    Busy slots come free at a rate of slots / mean, and it takes ahead + 1 of them.
    """
    return (ahead + 1) * mean_s / slots if slots > 0 else 0.0

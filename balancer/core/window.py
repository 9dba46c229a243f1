"""The mean, and the highest, of a figure over the last while.

A figure holds from when it was learnt until the next one. Knows nothing about what it is a figure of.
"""

from collections import deque
from itertools import pairwise


class Window:
    """What was learnt within the last `span_s` seconds, and what held when they began."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._steps: deque[tuple[float, float]] = deque()

    def learn(self, value: float, now: float) -> None:
        """Take in that the figure is `value` from `now` on."""
        if not self._steps or self._steps[-1][1] != value:
            self._steps.append((now, value))
        while len(self._steps) > 1 and self._steps[1][0] <= now - self._span_s:
            self._steps.popleft()

    def mean(self, now: float) -> float:
        """The mean over the time that is known, at most `span_s`; 0 when nothing is."""
        if not self._steps:
            return 0.0
        begins_s = max(self._steps[0][0], now - self._span_s)
        if begins_s >= now:
            return self._steps[-1][1]
        steps = [*self._steps, (now, 0.0)]
        total = sum(
            value * max(end_s - max(at_s, begins_s), 0.0)
            for (at_s, value), (end_s, _) in pairwise(steps)
        )
        return total / (now - begins_s)

    @property
    def highest(self) -> float:
        """The highest of the figures that held within the span; 0 when nothing is known."""
        return max((value for _, value in self._steps), default=0.0)

"""Decides whether the balancer itself is overloaded, by how late its event loop runs.

It is when the 99th percentile of the last second's lags stays above 100 ms for a second: a single
stall is forgotten, a loop that no longer keeps up is not. Knows nothing about how lag is measured.
"""

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 1.0
LIMIT_S = 0.1
"""Of the event loop; a hundred times what a call costs here."""
FOR_S = 1.0


@dataclass(slots=True)
class Lag:
    """The recent lags of one event loop."""

    is_high: bool = False
    _samples: deque[tuple[float, float]] = field(default_factory=deque)
    _above_since_s: float | None = None

    def learn(self, lag_s: float, now: float) -> bool:
        """Take in how late the loop was at `now`; True if this changes `is_high`."""
        self._samples.append((now, lag_s))
        while self._samples[0][0] <= now - WINDOW_S:
            self._samples.popleft()
        if self.p99_s <= LIMIT_S:
            self._above_since_s = None
        elif self._above_since_s is None:
            self._above_since_s = now
        was_high = self.is_high
        self.is_high = self._above_since_s is not None and now - self._above_since_s >= FOR_S
        return self.is_high is not was_high

    @property
    def p99_s(self) -> float:
        """The 99th percentile of the last second's lags; 0 when there are none."""
        lags = sorted(lag_s for _, lag_s in self._samples)
        return lags[math.ceil(0.99 * len(lags)) - 1] if lags else 0.0

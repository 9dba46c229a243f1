"""Decides whether the balancer itself is overloaded, and what that adds to a call, by how late its event loop runs.

It is overloaded when the 99th percentile of the last second's lags stays above 100 ms for a second: a single
stall is forgotten, a loop that no longer keeps up is not. What it adds is told by the least of these lags, after CoDel (Nichols and
Jacobson, 2012): what a stall adds is gone at the next beat, a queue that stands before the loop is not. Knows nothing about how
lag is measured.
"""

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 1.0
LIMIT_S = 0.1
"""Of the event loop; a hundred times what a call costs here."""
FOR_S = 1.0
TURNS = 10
"""Of the loop, from the socket to the pool and from the pool to the socket, about five each: gRPC hands a call on from one
callback to the next, and what is ready runs before each."""


@dataclass(slots=True)
class Lag:
    """The recent lags of one event loop."""

    is_high: bool = False
    delay_s: float = 0.0
    """What waiting for the loop adds to a call; half of that is over when the pool sees it."""
    _samples: deque[tuple[float, float]] = field(default_factory=deque)
    _before_s: float = 0.0
    _above_since_s: float | None = None

    def learn(self, lag_s: float, now: float) -> bool:
        """Take in how late the loop was at `now`; True if this changes `is_high`."""
        self._samples.append((now, lag_s))
        while self._samples[0][0] <= now - WINDOW_S:
            _, self._before_s = self._samples.popleft()
        self.delay_s = TURNS * min(self._before_s, *(lag_s for _, lag_s in self._samples))
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

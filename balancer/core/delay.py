"""Estimates what the balancer itself adds to a call, by how long its own calls take.

The least of the last second's counts, after CoDel (Nichols and Jacobson, 2012): what a stall adds is gone at the next
call, a queue that stands is not. Knows nothing about how the calls are made.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 1.0


@dataclass(slots=True)
class Delay:
    """The recent calls of one balancer to itself; `value_s` is what another would take, half of it before the pool."""

    value_s: float = 0.0
    _samples: deque[tuple[float, float]] = field(default_factory=deque)
    _before_s: float = 0.0

    def learn(self, took_s: float, now: float) -> None:
        """Take in that a call which ended at `now` took so long."""
        self._samples.append((now, took_s))
        while self._samples[0][0] <= now - WINDOW_S:
            _, self._before_s = self._samples.popleft()
        self.value_s = min(self._before_s, *(took_s for _, took_s in self._samples))

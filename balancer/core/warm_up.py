"""Learns how long instances of a role take from their start until they are hot.

Starts are told by counts alone, so the oldest start is taken for the one that became hot. Knows nothing about who starts.
"""

from collections import deque

SAMPLES = 5
"""The slowest of so many is promised: a lead that is too short makes callers wait, one too long costs seconds."""


class WarmUp:
    """The starts under way, and how long the last ones took."""

    def __init__(self, assumed_s: float) -> None:
        self._assumed_s = assumed_s
        self._took_s: deque[float] = deque(maxlen=SAMPLES)
        self._began_s: deque[float] = deque()

    @property
    def expected_s(self) -> float:
        """What a start takes: the slowest of the last five, or what is assumed before the first."""
        return max(self._took_s, default=self._assumed_s)

    @property
    def oldest_s(self) -> float | None:
        """When the longest of the starts under way began; None when there is none."""
        return self._began_s[0] if self._began_s else None

    def note(self, starting: int, became_hot: int, now: float) -> None:
        """Take in that so many became hot since the last time, and that so many are under way now."""
        for _ in range(min(became_hot, len(self._began_s))):
            self._took_s.append(now - self._began_s.popleft())
        while len(self._began_s) < starting:
            self._began_s.append(now)
        while len(self._began_s) > starting:
            self._began_s.pop()

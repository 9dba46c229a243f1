"""Learns how long instances of a role take from their start until they are hot.

Starts are told by counts alone, so the oldest start is taken for the one that became hot. One that was hot and isn't any more
is awaited like a start and measured as none. Knows nothing about who starts.
"""

from collections import deque

SAMPLES = 5
"""The slowest of so many is promised: a lead that is too short makes callers wait, one too long costs seconds."""


class WarmUp:
    """The starts under way, and how long the last ones took."""

    def __init__(self, assumed_s: float) -> None:
        self._assumed_s = assumed_s
        self._took_s: deque[float] = deque(maxlen=SAMPLES)
        self._awaited: deque[tuple[float, bool]] = deque()
        """Since when, and whether it is a start."""

    @property
    def expected_s(self) -> float:
        """What a start takes: the slowest of the last five, or what is assumed before the first."""
        return max(self._took_s, default=self._assumed_s)

    @property
    def oldest_s(self) -> float | None:
        """Since when the longest of those under way is awaited; None when there is none."""
        return self._awaited[0][0] if self._awaited else None

    @property
    def starts(self) -> int:
        """How many of those that are awaited are starts."""
        return sum(is_start for _, is_start in self._awaited)

    @property
    def is_oldest_a_start(self) -> bool:
        """Whether what is awaited longest is a start, and not one that was hot."""
        return bool(self._awaited) and self._awaited[0][1]

    def give_up(self) -> None:
        """Await the oldest no longer."""
        self._awaited.popleft()

    def note(self, starting: int, became_hot: int, now: float, lost: int = 0) -> None:
        """Take in that so many became hot since the last time, or were lost, and that so many are under way now."""
        for _ in range(min(became_hot, len(self._awaited))):
            began_s, is_start = self._awaited.popleft()
            if is_start:
                self._took_s.append(now - began_s)
        while len(self._awaited) < starting:
            self._awaited.append((now, lost <= 0))
            lost -= 1
        while len(self._awaited) > starting:
            self._awaited.pop()

"""Remembers who was told when to come back: beyond the waiting room, a lane's queue goes on outside.

A caller that comes back no earlier than it was told claims its promise; one that doesn't come lets it lapse.
How many do come is learnt, so that those who never will keep nobody waiting. Knows nothing about how long a
promise is for, nor what it is worth.
"""

from bisect import bisect_right, insort
from heapq import heappop, heappush

EARLY_S = 0.05
"""Clocks and timers of callers round."""
LAPSES_S = 3.0
"""A caller that is this late has found something else to do."""
NEWEST = 0.05
"""Weight of the latest promise in what is learnt: about the last twenty count."""
MOST = 4096
"""More than any lane serves in the 30 s that the longest hint is for."""


class Promises:
    """The promises of one lane that are neither claimed nor lapsed."""

    def __init__(self) -> None:
        self._due: dict[str, list[float]] = {}
        self._by_time: list[tuple[float, str]] = []
        self._count = 0
        self._kept = 1.0

    def __len__(self) -> int:
        return self._count

    @property
    def expected(self) -> float:
        """How many of those who were told to come back will."""
        return self._count * self._kept

    def give(self, caller: str, due_s: float) -> None:
        """Note that the caller was told to come back at `due_s`, unless too many were already."""
        if self._count < MOST:
            insort(self._due.setdefault(caller, []), due_s)
            heappush(self._by_time, (due_s, caller))
            self._count += 1

    def claim(self, caller: str, now: float) -> bool:
        """Whether the caller was told to come back by now; each promise can be claimed once."""
        due = self._due.get(caller)
        if due is None or due[0] > now + EARLY_S:
            return False
        self._drop(caller, 0)
        self._learn(1.0)
        return True

    def lapse(self, now: float) -> None:
        """Forget those who did not come."""
        while self._by_time and self._by_time[0][0] + LAPSES_S < now:
            due_s, caller = heappop(self._by_time)
            due = self._due.get(caller, [])
            place = bisect_right(due, due_s) - 1
            if place >= 0 and due[place] == due_s:
                self._drop(caller, place)
                self._learn(0.0)

    def _drop(self, caller: str, place: int) -> None:
        due = self._due[caller]
        del due[place]
        self._count -= 1
        if not due:
            del self._due[caller]

    def _learn(self, came: float) -> None:
        self._kept += NEWEST * (came - self._kept)

"""Simulated time: what happens next, and in which order when two things happen at once.

At equal times membership comes before time and time before calls, as in production. Knows nothing about
what happens.
"""

from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush


class Rank(IntEnum):
    """Who goes first among events of the same moment."""

    MEMBERSHIP = 0
    TIME = 1
    CALL = 2
    CALLER = 3
    """What callers do on their own: a sidecar that is on time has answered before."""


class Event:
    """Something that will happen at `at_s`, unless it is cancelled."""

    __slots__ = ("act", "at_s")

    def __init__(self, at_s: float, act: Callable[[], None]) -> None:
        self.at_s = at_s
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        """Let it not happen. Cancelling what has happened does nothing."""
        self.act = None


class Clock:
    """The queue of events; `now_s` is the time of the latest one."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._events: list[tuple[float, int, int, Event]] = []
        self._numbers = 0

    def at(self, at_s: float, rank: Rank, act: Callable[[], None]) -> Event:
        """Let `act` happen at `at_s`, or now if that has passed."""
        event = Event(max(at_s, self.now_s), act)
        self._numbers += 1
        heappush(self._events, (event.at_s, rank, self._numbers, event))
        return event

    def run_until(self, end_s: float) -> None:
        """Let everything happen that is due up to `end_s`, in order."""
        events = self._events
        while events and events[0][0] <= end_s:
            at_s, _, _, event = heappop(events)
            act = event.act
            if act is not None:
                event.act = None
                self.now_s = at_s
                act()
        self.now_s = max(self.now_s, end_s)

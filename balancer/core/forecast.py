"""Foretells the load of a time of day from the same time on earlier days: their median, with the error that it had so far.

A day is cut into spans of five minutes of local time, and of each the mean load is remembered. Learns nothing from a span
that was seen for less than half of its length. Knows nothing about instances, or what follows from an estimate.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, median
from zoneinfo import ZoneInfo

SPAN_S = 300
SPANS = 86_400 // SPAN_S
SEEN_SHARE = 0.5
"""Of a span that was seen for a smaller share nothing is learnt."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """So many slots in use, by what so many earlier days had; `error` is by how much estimates were off, in the mean of a day.

    It is None before the first estimate could be compared with what came.
    """

    slots: float
    days: int
    error: float | None

    def __str__(self) -> str:
        off = "" if self.error is None else f", off by {self.error:.1f} in the mean"
        days = "1 earlier day" if self.days == 1 else f"{self.days} earlier days"
        return f"forecast {self.slots:.1f} slots, the median of {days}{off}"


class Forecast:
    """What a role had to do at each time of the last `days` days, in the local time of `zone`."""

    def __init__(self, days: int, zone: str) -> None:
        self._days = days
        self._zone = ZoneInfo(zone)
        self._means: dict[int, dict[int, float]] = {}
        self._errors: deque[float] = deque(maxlen=SPANS)
        self._span: tuple[int, int] | None = None
        self._sum = self._seen_s = 0.0
        self._value = 0.0
        self._at_s = 0.0

    def learn(self, value: float, now: float, wall: datetime) -> None:
        """Take in that the load is `value` from now on; `now` measures the time since the last look, `wall` says which time of day it is."""
        span = self._span_of(wall)
        if span != self._span:
            self._finish()
            self._span, self._sum, self._seen_s = span, 0.0, 0.0
        else:
            self._sum += self._value * (now - self._at_s)
            self._seen_s += now - self._at_s
        self._value, self._at_s = value, now

    def estimate(self, wall: datetime, ahead_s: float) -> Estimate | None:
        """The most that is foretold from now until so many seconds ahead; None while no earlier day tells."""
        spans = range(math.floor(ahead_s / SPAN_S) + 2)
        times = {
            self._span_of(wall + timedelta(seconds=min(number * SPAN_S, ahead_s)))
            for number in spans
        }
        found = [each for each in map(self._of, times) if each is not None]
        return max(found, key=lambda each: each.slots, default=None)

    def _of(self, span: tuple[int, int]) -> Estimate | None:
        day, number = span
        earlier = [
            means[number]
            for then, means in self._means.items()
            if day - self._days <= then < day and number in means
        ]
        if not earlier:
            return None
        error = fmean(self._errors) if self._errors else None
        return Estimate(median(earlier), len(earlier), error)

    def _finish(self) -> None:
        """A span is over: compare it with what was foretold for it, and remember it."""
        if self._span is None or self._seen_s < SEEN_SHARE * SPAN_S:
            return
        mean, foretold = self._sum / self._seen_s, self._of(self._span)
        if foretold is not None:
            self._errors.append(abs(foretold.slots - mean))
        day, number = self._span
        self._means.setdefault(day, {})[number] = mean
        for old in [then for then in self._means if not day - self._days <= then <= day]:
            del self._means[old]

    def _span_of(self, wall: datetime) -> tuple[int, int]:
        """The day, and which of its spans."""
        local = wall.astimezone(self._zone)
        return local.toordinal(), (local.hour * 3600 + local.minute * 60 + local.second) // SPAN_S

"""Decides when chat may go although a sentiment waits.

Sentiment goes first, but chat keeps a floor: while it has a backlog it gets at least a share of the
slot-seconds of any window (20 % of 30 s). Slot-seconds are the time integral of calls in flight, kept in
one-second buckets. Knows nothing about instances or the calls themselves.
"""

from collections import deque
from dataclasses import dataclass, field

BUCKET_S = 1.0
EPSILON_S = 1e-6
"""Room for rounding, so that a timer that fires exactly when the floor is due finds it due."""


@dataclass(slots=True)
class _Bucket:
    number: int
    chat_s: float = 0.0
    total_s: float = 0.0


@dataclass(slots=True)
class ChatFloor:
    """Slot-seconds of the recent past, counted only while chat had a backlog."""

    share: float
    window_s: float
    _buckets: deque[_Bucket] = field(default_factory=deque)
    _last_s: float | None = None
    _chat_s: float = 0.0
    _total_s: float = 0.0

    def advance(self, now: float, chat: int, total: int) -> None:
        """Account for the time since the last event, during which so many calls were in flight."""
        last_s, self._last_s = self._last_s, now
        if last_s is None or not total:
            return
        begin_s = max(last_s, now - self.window_s)
        while begin_s < now:
            number = int(begin_s // BUCKET_S)
            end_s = min(now, (number + 1) * BUCKET_S)
            if not self._buckets or self._buckets[-1].number != number:
                self._buckets.append(_Bucket(number))
            chat_s, total_s = chat * (end_s - begin_s), total * (end_s - begin_s)
            self._buckets[-1].chat_s += chat_s
            self._buckets[-1].total_s += total_s
            self._chat_s += chat_s
            self._total_s += total_s
            begin_s = end_s
        oldest = int((now - self.window_s) // BUCKET_S)
        if self._buckets and self._buckets[0].number < oldest:
            while self._buckets and self._buckets[0].number < oldest:
                self._buckets.popleft()
            # Summed anew, so that rounding never adds up.
            self._chat_s = sum(bucket.chat_s for bucket in self._buckets)
            self._total_s = sum(bucket.total_s for bucket in self._buckets)

    @property
    def is_due(self) -> bool:
        """Whether chat has had less than its share."""
        return self._surplus_s < 0

    @property
    def _surplus_s(self) -> float:
        """Slot-seconds that chat has had above its share; below 0 when it is owed some."""
        return self._chat_s - self.share * self._total_s

    def due_in_s(self, chat: int, total: int) -> float | None:
        """How long until the floor is due if the calls in flight stay as they are; None: never."""
        falling = self.share * total - chat
        if falling <= 0:
            return None
        return max(self._surplus_s, 0.0) / falling + EPSILON_S

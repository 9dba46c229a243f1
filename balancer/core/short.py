"""Decides how many chats may be answered in short, so that full answers don't suffer from it.

Each short answer is a forward pass that everything in its step waits for. They may take a share of the slot-seconds that full
answers take; what isn't used adds up for a while. Knows nothing about why an answer is short.
"""

from dataclasses import dataclass

WINDOW_S = 10.0
"""What isn't used adds up for so long: the wait at which short answers begin."""


@dataclass(slots=True)
class ShortBudget:
    """The slot-seconds that short answers may still take, below 0 when they took more."""

    share: float
    left_s: float = 0.0
    _last_s: float | None = None

    def advance(self, now: float, chats: int, short: int) -> None:
        """Account for the time since the last event, during which so many were in flight."""
        last_s, self._last_s = self._last_s, now
        if last_s is None:
            return
        if not chats:
            # No full answer suffers.
            self.left_s = 0.0
            return
        gained_s = self.share * chats
        self.left_s += (gained_s - short) * (now - last_s)
        self.left_s = min(self.left_s, gained_s * WINDOW_S)

    @property
    def allows(self) -> bool:
        """Whether one more chat may be answered in short."""
        return self.left_s >= 0.0

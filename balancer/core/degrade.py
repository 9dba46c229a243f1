"""Decides whether a chat that would have to wait is answered in short instead.

Entered when the estimated wait of a chat passes a threshold, left at a lower one, and never switched
twice within the dwell time, so that a wait near the threshold doesn't make the answers flicker. Knows
nothing about who answers in short, or who declines that.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Degrading:
    """Whether chats are answered in short now; `leave_s` <= `enter_s`."""

    enter_s: float
    leave_s: float
    dwell_s: float
    is_on: bool = False
    _until_s: float | None = None

    def judge(self, wait_s: float, now: float) -> bool:
        """Take in how long a chat would wait that came now; True if this switches."""
        wanted = wait_s > (self.leave_s if self.is_on else self.enter_s)
        if wanted is self.is_on or (self._until_s is not None and now < self._until_s):
            return False
        self.is_on, self._until_s = wanted, now + self.dwell_s
        return True

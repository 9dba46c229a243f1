"""Decides which newcomers are refused when the balancer itself can't keep up, so that the queue before it stays short.

That queue is seen only by what it does to calls that have been through it, and calls in it can't be refused before they come out. So
a share is refused that grows with the delay: it settles where as many are taken as can be, and long before all wait in vain. Knows
nothing about how the delay is measured.
"""

from dataclasses import dataclass

STANDING_S = 0.1
"""A delay below this is no standing queue: what the loop may lag, too, before it counts as overloaded."""

CHATS_END_S = 0.5
"""At this delay no chat is taken, whatever it could wait: labels go first."""


@dataclass(slots=True)
class Throttle:
    """One lane's. `most_s` is the delay at which all are refused."""

    most_s: float
    _owed: float = 0.0

    def refuses(self, delay_s: float) -> bool:
        """Whether the newcomer is refused, now that the balancer delays calls by so much; to be asked once for each."""
        if delay_s <= STANDING_S:
            self._owed = 0.0
            return False
        if delay_s >= self.most_s:
            return True
        self._owed += (delay_s - STANDING_S) / (self.most_s - STANDING_S)
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True

"""Decides how long to wait before a process that ended by itself is started again.

Knows nothing about processes.
"""

from dataclasses import dataclass

FIRST_S, LONGEST_S = 1.0, 30.0
"""From once in a while to once in a while: what dies at every start must not take the machine with it."""
LONG_ENOUGH_S = 60.0
"""Who lived that long had a good start; what ended it is another matter than before."""


@dataclass(slots=True)
class Restarts:
    """The pauses between the lives of one process: doubled from life to life that was short."""

    _next_s: float = FIRST_S

    def pause_s(self, lived_s: float) -> float:
        """How long to wait after a life of `lived_s` seconds."""
        pause_s = FIRST_S if lived_s >= LONG_ENOUGH_S else self._next_s
        self._next_s = min(2 * pause_s, LONGEST_S)
        return pause_s

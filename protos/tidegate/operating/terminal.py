"""Tells a terminal that was closed from a signal that somebody sent: both come as SIGHUP.

Knows nothing about what is done then.
"""

import os

STDIN = 0


class Terminal:
    """The terminal that a process was started from, if any."""

    def __init__(self) -> None:
        self._was_there = os.isatty(STDIN)

    def is_closed(self) -> bool:
        """Whether there was one, and it is gone."""
        return self._was_there and not os.isatty(STDIN)

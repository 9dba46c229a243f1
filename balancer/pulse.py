"""Measures how late the event loop runs, fifty times a second.

Knows nothing about what lateness means.
"""

import asyncio
from collections.abc import Callable

EVERY_S = 0.02


class Pulse:
    """Tells `report` the lag of the running loop, from `start` to `stop`."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._timer = self._loop.call_later(EVERY_S, self._beat, self._loop.time() + EVERY_S)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self, due_s: float) -> None:
        self._report(max(self._loop.time() - due_s, 0.0))
        self.start()

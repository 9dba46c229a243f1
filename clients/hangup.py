"""Lets one thread end the blocking calls of others, and their pauses between two attempts.

Knows nothing about what is called.
"""

from __future__ import annotations

import threading
from typing import Protocol


class _Cancellable(Protocol):
    def cancel(self) -> object: ...


class Hangup:
    """The calls that end together. `is_over` is set for good when they do."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self._changing = threading.Lock()
        self._calls: set[_Cancellable] = set()

    def begin(self, call: _Cancellable) -> None:
        """Take a call in; one that comes too late is ended at once."""
        with self._changing:
            if not self.is_over.is_set():
                self._calls.add(call)
                return
        call.cancel()

    def end(self, call: _Cancellable) -> None:
        """Let a call go that is over."""
        with self._changing:
            self._calls.discard(call)

    def hang_up(self) -> None:
        """End all of them, and those that are yet to come."""
        with self._changing:
            self.is_over.set()
            calls, self._calls = self._calls, set()
        for call in calls:
            call.cancel()

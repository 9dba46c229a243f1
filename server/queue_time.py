"""How long the call of the running task waited for the engine, for its trailers.

The edge opens it before a call's work and reads it after; the engine's listener adds to it, in
the same task or in one that the call started. Knows nothing of calls.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from tidegate.server.engine.call import Times

KEY = "tidegate-queue-duration-ms"


@dataclass(slots=True)
class QueueTime:
    """The longest that any sequence of one call waited for its first step."""

    longest_s: float = 0.0

    @property
    def trailer(self) -> tuple[str, str]:
        """What the caller is told; a balancer in between puts its own waiting in its place."""
        return KEY, str(round(self.longest_s * 1000))


_current: ContextVar[QueueTime | None] = ContextVar("queue_time", default=None)


def open_queue_time() -> QueueTime:
    """Begin to listen for the call of the running task."""
    queue_time = QueueTime()
    _current.set(queue_time)
    return queue_time


def note_waiting(times: Times) -> None:
    """Take in a sequence that has ended; outside of any call it is nobody's."""
    queue_time = _current.get()
    if queue_time is not None and times.began_s is not None:
        queue_time.longest_s = max(queue_time.longest_s, times.began_s - times.entered_s)

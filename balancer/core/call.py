"""What arrives, and how it can end.

Knows nothing about instances, queues or the wire.
"""

from dataclasses import dataclass
from enum import Enum


class Lane(Enum):
    """Which slots a call takes, in order of priority. Chosen by its method alone.

    Only the pool lowers a chat to degraded; nobody waits there.
    """

    SENTIMENT = "sentiment"
    CHAT = "chat"
    DEGRADED = "degraded"

    # Enum's own is a function in Python, and nearly everything here is kept by lane.
    __hash__ = object.__hash__


QUEUES = (Lane.SENTIMENT, Lane.CHAT)
"""The lanes in which calls come and wait."""


class Outcome(Enum):
    """How one send ended. Every send is finished with exactly one of these.

    The first seven end the call too; after `REFUSED` and `LOST` the pool decides whether it goes on.
    """

    FULL = "full"
    """Answered in full."""
    DEGRADED = "degraded"
    """Answered in short, because of load."""
    INVALID = "invalid"
    """Answered: the caller's mistake. Counted as full; says nothing about how long work takes."""
    EXPIRED = "expired"
    """The call's own deadline passed."""
    CANCELLED = "cancelled"
    """The caller hung up."""
    FAILED = "failed"
    """Ended by an error of ours, or of the instance, over a transport that works."""
    CUT = "cut"
    """The transport broke when it was too late to send the call again."""
    LOST = "lost"
    """The transport broke before the first byte came back."""
    REFUSED = "refused"
    """The instance had no room and did no work."""

    # As for lanes: each end of a send is counted by it.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a caller. Times are seconds of one monotonic clock.

    `id` is unique within a pool; `lane` is one of `QUEUES`; `deadline_s` is None when the caller set
    none. `accepts_degraded` is about chats: whether a short answer is better than none. `is_retried`
    when the caller was turned away before. `conversation` is a short key, empty for none.
    `caller`, a short key too, is who shares the lane fairly with others. `size_bytes` is that of its message, 0 when it isn't known on arrival; `is_stream` when
    there may be any number of messages.
    """

    id: int
    lane: Lane
    arrived_s: float
    deadline_s: float | None = None
    accepts_degraded: bool = True
    is_retried: bool = False
    conversation: str = ""
    size_bytes: int = 0
    caller: str = ""
    is_stream: bool = False

"""What the pool answers: send the call, let it wait, or shed it for a reason.

Knows nothing about statuses or metadata; the edge turns a `Shed` into those.
"""

from dataclasses import dataclass
from enum import Enum

from tidegate.balancer.core.call import Call, Lane


class Reason(Enum):
    """Why a call was shed: metric label, log field and error detail alike."""

    QUEUE_FULL = "QUEUE_FULL"
    """As many calls wait as may wait."""
    WAIT_TOO_LONG = "WAIT_TOO_LONG"
    """The estimated wait is above the lane's limit: it would wait in vain."""
    DEADLINE_UNREACHABLE = "DEADLINE_UNREACHABLE"
    """Estimated wait and service don't fit into what is left of the call's deadline."""
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    """It waited until the lane's limit; its own deadline is still open."""
    EXPIRED = "EXPIRED"
    """Its own deadline passed. Counted as expired, not as shed."""
    DEGRADED_ONLY = "DEGRADED_ONLY"
    """It would have to wait while chats are answered in short, and doesn't accept that."""
    OVERLOADED = "OVERLOADED"
    """The balancer itself can't keep up, and takes no new chats."""
    NO_INSTANCE = "NO_INSTANCE"
    """No hot instance serves its lane, and none is coming."""
    WARMING_UP = "WARMING_UP"
    """No hot instance serves its lane, and the next one comes too late for it."""
    INSTANCE_LOST = "INSTANCE_LOST"
    """Its instance went away before the first byte and there is no other try."""
    DRAINING = "DRAINING"
    """The balancer is going away."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The state of a lane at the moment of a shed, for the caller to read."""

    depth: int
    estimated_wait_s: float
    instances: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call to this instance now. `id` is unique within a pool; finish it once.

    `lane` is the call's own, or degraded: then the instance is to answer in short.
    """

    id: int
    call: Call
    instance_id: str
    address: str
    began_s: float
    lane: Lane


@dataclass(frozen=True, slots=True)
class Wait:
    """The call waits, about `estimated_wait_s`; a later event brings its `Send` or `Shed`."""

    call: Call
    estimated_wait_s: float


@dataclass(frozen=True, slots=True)
class Shed:
    """Turn the call away. `retry_after_s` is None when coming back is no use."""

    call: Call
    reason: Reason
    retry_after_s: float | None
    backlog: Backlog


Verdict = Send | Wait | Shed

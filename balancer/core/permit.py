"""Says what a caller may do, and whether one call is within that.

Knows nothing about how a caller was told, nor what a refusal looks like.
"""

from dataclasses import dataclass
from enum import Enum

from tidegate.balancer.core.call import QUEUES, Lane


class FleetRight(Enum):
    """What a caller may ask of the Fleet service; each includes those before it."""

    NONE = "none"
    LOOK = "look"
    """Status, and watching it."""
    OPERATE = "operate"
    """Drain, warm, pin."""

    def allows(self, wanted: "FleetRight") -> bool:
        """Whether who has this right may do what asks for `wanted`."""
        rights = tuple(FleetRight)
        return rights.index(self) >= rights.index(wanted)


@dataclass(frozen=True, slots=True)
class Permit:
    """What one caller may do. None: no bound.

    `per_s` are calls a second, `largest_bytes` a message's size. `share` is the caller's part of a lane in which
    callers have to take turns, others having 1.
    """

    lanes: frozenset[Lane] = frozenset(QUEUES)
    per_s: float | None = None
    share: float = 1.0
    largest_bytes: int | None = None
    may_prompt: bool = True
    fleet: FleetRight = FleetRight.NONE


class Objection(Enum):
    """What is against a call."""

    LANE = "lane"
    SIZE = "size"
    PROMPT = "prompt"


def objection(permit: Permit, lane: Lane, size_bytes: int, *, prompts: bool) -> Objection | None:
    """What is against a call of `lane`; `prompts` when it brings a system prompt of its own. None: nothing."""
    if lane not in permit.lanes:
        return Objection.LANE
    if prompts and not permit.may_prompt:
        return Objection.PROMPT
    if permit.largest_bytes is not None and size_bytes > permit.largest_bytes:
        return Objection.SIZE
    return None

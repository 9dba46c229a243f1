"""Counts how the calls of a lane ended.

Every call offered ends in exactly one count: offered = full + degraded + shed + expired + cancelled +
failed + waiting + in flight. Of the full ones, those that took no work of their own are counted apart as well:
shared or cached. Knows nothing about the calls themselves.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from typing_extensions import assert_never

from tidegate.balancer.core.call import Outcome
from tidegate.balancer.core.verdict import Reason


class Beside(Enum):
    """How a call ended that had an equal one go in its place."""

    SHARED = "shared"
    """Answered in full by the same forward."""
    CACHED = "cached"
    """Answered in full by what was remembered."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Tally:
    """The counts of one lane since the start."""

    offered: int = 0
    full: int = 0
    degraded: int = 0
    shed: int = 0
    expired: int = 0
    cancelled: int = 0
    failed: int = 0
    shared: int = 0
    cached: int = 0
    by_reason: Counter[Reason] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """Calls that are over."""
        return self.full + self.degraded + self.shed + self.expired + self.cancelled + self.failed

    def count_shed(self, reason: Reason) -> None:
        """Count a call that was turned away, or expired while it waited."""
        if reason is Reason.EXPIRED:
            self.expired += 1
        else:
            self.shed += 1
            self.by_reason[reason] += 1

    def count_beside(self, how: Beside) -> None:
        """Count a call that came and ended without a place or a slot of its own."""
        self.offered += 1
        match how:
            case Beside.SHARED:
                self.full, self.shared = self.full + 1, self.shared + 1
            case Beside.CACHED:
                self.full, self.cached = self.full + 1, self.cached + 1
            case Beside.EXPIRED:
                self.expired += 1
            case Beside.CANCELLED:
                self.cancelled += 1
            case _:
                assert_never(how)

    def count_end(self, outcome: Outcome) -> None:
        """Count a call that ended with its send. Lost and refused ones have not ended."""
        match outcome:
            case Outcome.FULL | Outcome.INVALID:
                self.full += 1
            case Outcome.DEGRADED:
                self.degraded += 1
            case Outcome.EXPIRED:
                self.expired += 1
            case Outcome.CANCELLED:
                self.cancelled += 1
            case Outcome.FAILED | Outcome.CUT:
                self.failed += 1
            case Outcome.LOST | Outcome.REFUSED:
                raise ValueError(f"{outcome} does not end a call")
            case _:
                assert_never(outcome)

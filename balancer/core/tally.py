"""Counts how the calls of a lane ended.

Every call offered ends in exactly one count: offered = full + degraded + shed + expired + cancelled +
failed + waiting + in flight. Knows nothing about the calls themselves.
"""

from collections import Counter
from dataclasses import dataclass, field

from typing_extensions import assert_never

from tidegate.balancer.core.call import Outcome
from tidegate.balancer.core.verdict import Reason


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

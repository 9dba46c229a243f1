"""One caller's call, from the first attempt to the last word, retries included.

The caller's side of the story: when it gives up, whether it comes back after a shed, and how it ended for it.
Knows nothing about the pool.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from typing_extensions import assert_never

from tidegate.balancer.core.call import Lane
from tidegate.balancer.simulation.work import Work


class Result(Enum):
    """How a call ended for its caller."""

    FULL = "full"
    DEGRADED = "degraded"
    SHED = "shed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OnShed(Enum):
    """What a caller does who is turned away."""

    LEAVE = "leave"
    """It doesn't come back."""
    OBEY = "obey"
    """It comes back when the hint says so, or not at all when that says so."""
    INSIST = "insist"
    """It comes back soon whatever the hint says, also when its deadline passed, with a new one."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the callers of one kind behave. `patience_s` is the mean of an exponential; 0: endless."""

    on_shed: OnShed = OnShed.LEAVE
    attempts: int = 3
    deadline_s: float = 30.0
    patience_s: float = 0.0
    accepts_degraded: bool = True
    insists_after_s: float = 0.2


@dataclass(slots=True, eq=False)
class Visit:
    """A call as its caller lives it. Times are of the simulated clock."""

    lane: Lane
    work: Work
    manner: Manner
    born_s: float
    deadline_s: float
    attempts: int = 0
    sends: int = 0
    sent_s: float | None = None
    """When it was first sent to an instance."""
    balancer: int = -1
    """Which balancer answered."""
    retries_let_in: int = 0
    result: Result | None = None
    ended_s: float = 0.0

    @property
    def is_in_time(self) -> bool:
        """Whether it has a full answer, within its deadline."""
        return self.result is Result.FULL and self.ended_s <= self.deadline_s

    @property
    def is_retried(self) -> bool:
        """Whether this attempt says of itself that it is a retry, as obedient clients' do."""
        return self.attempts > 1 and self.manner.on_shed is OnShed.OBEY

    def comes_back_s(
        self, result: Result, hint_s: float | None, now: float, rng: Random
    ) -> float | None:
        """When the caller tries again after such an end; None: never."""
        if self.attempts >= self.manner.attempts or result not in (Result.SHED, Result.EXPIRED):
            return None
        match self.manner.on_shed:
            case OnShed.LEAVE:
                return None
            case OnShed.OBEY:
                if result is Result.EXPIRED or hint_s is None or now + hint_s >= self.deadline_s:
                    return None
                return now + hint_s
            case OnShed.INSIST:
                return now + self.manner.insists_after_s * (0.5 + rng.random())
            case _:
                assert_never(self.manner.on_shed)

"""How starts of cold instances go in a scenario: how long they take, which are slow, which fail.

Each start is drawn anew. Knows nothing about when instances are started.
"""

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from random import Random
from typing import Annotated

from pydantic import Field, field_validator

from tidegate.balancer.core.call import Lane
from tidegate.balancer.simulation.table import Table

Share = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[float, Field(ge=0, le=1e7)]


class Slots(Table):
    """The calls that an instance takes at once, by lane."""

    sentiment_slots: Annotated[int, Field(ge=1, le=1024)] = 16
    chat_slots: Annotated[int, Field(ge=1, le=256)] = 8
    degraded_slots: Annotated[int, Field(ge=0, le=1024)] = 2

    @property
    def slots(self) -> dict[Lane, int]:
        """Slots by lane."""
        return {
            Lane.SENTIMENT: self.sentiment_slots,
            Lane.CHAT: self.chat_slots,
            Lane.DEGRADED: self.degraded_slots,
        }


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a start after `after_s`: the instance is hot, or the process has ended."""

    after_s: float
    fails: bool


class Starts(Slots):
    """What is started, and how it goes. The usual time is the engine's `start_up_s`."""

    spread: Share = 0.2
    """A start takes this share of the usual time less or more, evenly."""
    slow: Share = 0.0
    """Share of the starts that take `slow_times` as long."""
    slow_times: Annotated[float, Field(ge=1, le=1000)] = 5.0
    fails: Share = 0.0
    """Share of the starts that fail, after half of their time."""
    broken: tuple[tuple[Moment, Moment], ...] = ()
    """From when to when every start fails: `broken = [[100, 700]]`."""
    begins: datetime = datetime(2026, 3, 2, tzinfo=timezone.utc)
    """The wall clock when the run begins, for timetables: a Monday, at midnight."""

    @field_validator("broken")
    @classmethod
    def _is_in_order(
        cls, value: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        moments = [moment for span in value for moment in span]
        if any(a >= b for a, b in pairwise(moments)):
            raise ValueError(f"{moments} don't rise; accepted are spans one after another")
        return value

    @field_validator("begins")
    @classmethod
    def _knows_its_zone(cls, value: datetime) -> datetime:
        return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)

    def fate(self, usual_s: float, now: float, rng: Random) -> Fate:
        """What becomes of a start that begins now."""
        takes_s = usual_s * (1.0 + self.spread * (2.0 * rng.random() - 1.0))
        if rng.random() < self.slow:
            takes_s *= self.slow_times
        is_broken = any(begin_s <= now < end_s for begin_s, end_s in self.broken)
        fails = rng.random() < self.fails or is_broken
        return Fate(takes_s / 2.0 if fails else takes_s, fails)

"""When calls arrive: Poisson, in steps, by the hour of the day, as a flash crowd, or as recorded.

Rates are calls a second, times are seconds from the start of the run. All but the recorded ones are
open-loop Poisson processes whose rate changes with time (drawn by thinning, after Lewis and Shedler 1979):
arrivals don't wait for answers. Knows nothing about what arrives.
"""

import csv
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.balancer.simulation.table import Table

Rate = Annotated[float, Field(ge=0, le=1e6)]
Moment = Annotated[float, Field(ge=0, le=1e7)]


class Poisson(Table):
    """The same rate all the time."""

    pattern: Literal["poisson"]
    rate: Rate

    @property
    def highest(self) -> float:
        """The highest rate of all times."""
        return self.rate

    def rate_at(self, now: float) -> float:
        """Calls a second at `now`."""
        return self.rate


class Steps(Table):
    """A rate from each of several moments on: `steps = [[0, 5], [60, 50], [70, 5]]`."""

    pattern: Literal["step"]
    steps: tuple[tuple[Moment, Rate], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_in_order(self) -> "Steps":
        moments = [at_s for at_s, _ in self.steps]
        if moments[0] != 0 or any(a >= b for a, b in pairwise(moments)):
            raise ValueError(f"steps: {moments} don't begin at 0 and rise")
        return self

    @property
    def highest(self) -> float:
        """The highest rate of all times."""
        return max(rate for _, rate in self.steps)

    def rate_at(self, now: float) -> float:
        """Calls a second at `now`."""
        return next(rate for at_s, rate in reversed(self.steps) if at_s <= now)


class Daily(Table):
    """A day's curve: lowest at night, highest at `peak_hour`, a cosine between them."""

    pattern: Literal["daily"]
    low: Rate
    high: Rate
    peak_hour: Annotated[float, Field(ge=0, lt=24)] = 9.0
    day_s: Annotated[float, Field(gt=0, le=86400)] = 86400.0

    @model_validator(mode="after")
    def _is_a_curve(self) -> "Daily":
        if self.low > self.high:
            raise ValueError(f"low: {self.low:g} is above high, {self.high:g}")
        return self

    @property
    def highest(self) -> float:
        """The highest rate of all times."""
        return self.high

    def rate_at(self, now: float) -> float:
        """Calls a second at `now`; the run begins at midnight."""
        from_peak = now / self.day_s - self.peak_hour / 24.0
        share = (1.0 + math.cos(2.0 * math.pi * from_peak)) / 2.0
        # Squared: a morning's rush is narrower than the night.
        return self.low + (self.high - self.low) * share**2


class Flash(Table):
    """A steady rate, and a crowd that comes at once and leaves slowly, halving every `fades_s`.

    It comes once, or again every `every_s`: 86,400 for a rush at the same time each day.
    """

    pattern: Literal["flash"]
    rate: Rate
    peak: Rate
    begins_s: Moment
    fades_s: Annotated[float, Field(gt=0, le=1e6)]
    every_s: Annotated[float, Field(gt=0, le=1e7)] | None = None

    @model_validator(mode="after")
    def _is_a_crowd(self) -> "Flash":
        if self.peak < self.rate:
            raise ValueError(f"peak: {self.peak:g} is below rate, {self.rate:g}")
        return self

    @property
    def highest(self) -> float:
        """The highest rate of all times."""
        return self.peak

    def rate_at(self, now: float) -> float:
        """Calls a second at `now`."""
        if now < self.begins_s:
            return self.rate
        since_s = now - self.begins_s
        if self.every_s is not None:
            since_s %= self.every_s
        left = math.exp2(-since_s / self.fades_s)
        return self.rate + (self.peak - self.rate) * left


class Trace(Table):
    """Arrivals as they were recorded: a CSV file whose column `at_s` holds seconds from the start."""

    pattern: Literal["trace"]
    file: Path

    @model_validator(mode="after")
    def _can_be_read(self) -> "Trace":
        self.moments()
        return self

    def moments(self) -> list[float]:
        """All arrivals, in order. Raises ValueError naming file and line."""
        try:
            with self.file.open(encoding="utf-8", newline="") as lines:
                return sorted(self._moment(row) for row in enumerate(csv.DictReader(lines), 2))
        except OSError as error:
            raise ValueError(f"file: {self.file}: {error.strerror}") from None

    def _moment(self, row: tuple[int, dict[str, str]]) -> float:
        number, fields = row
        try:
            at_s = float(fields["at_s"])
        except (KeyError, TypeError, ValueError):
            at_s = -1.0
        if not 0 <= at_s < math.inf:
            raise ValueError(
                f"file: {self.file}, line {number}: at_s is {fields.get('at_s')!r}, "
                "which is not a number of seconds, 0 or more"
            )
        return at_s


Arrivals = Annotated[Poisson | Steps | Daily | Flash | Trace, Field(discriminator="pattern")]


def moments(
    arrivals: Poisson | Steps | Daily | Flash | Trace, rng: Random, until_s: float
) -> Iterator[float]:
    """When calls arrive before `until_s`, in order."""
    if isinstance(arrivals, Trace):
        yield from (at_s for at_s in arrivals.moments() if at_s < until_s)
        return
    now, highest = 0.0, arrivals.highest
    while highest > 0:
        now += rng.expovariate(highest)
        if now >= until_s:
            return
        if rng.random() * highest < arrivals.rate_at(now):
            yield now

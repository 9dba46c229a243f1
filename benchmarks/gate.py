"""What a figure is held against, and what a series of interleaved rounds says about it.

Pure arithmetic over what was measured.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from typing_extensions import assert_never


class Sense(Enum):
    """On which side of its bound a ratio belongs."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound for ours / theirs."""

    sense: Sense
    bound: float

    def __str__(self) -> str:
        return f"{self.sense.value}{self.bound:g}x"

    def is_met_by(self, ratio: float) -> bool:
        """Whether `ratio` lies on the right side; the bound itself does."""
        match self.sense:
            case Sense.AT_MOST:
                return ratio <= self.bound
            case Sense.AT_LEAST:
                return ratio >= self.bound
            case _:
                assert_never(self.sense)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of both sides, and the median and the range of the ratios round by round."""

    ours: float
    theirs: float
    ratio: float
    least: float
    most: float
    rounds: int


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Compare two series of the same length, round by round.

    The ratio is the median of the rounds' ratios, not the ratio of the medians: what slows the
    machine for a while slows both sides of a round.
    """
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Comparison(
        ours=statistics.median(ours),
        theirs=statistics.median(theirs),
        ratio=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
        rounds=len(ratios),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` (0 to 1) of them don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

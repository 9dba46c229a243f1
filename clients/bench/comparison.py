"""Makes figures of the runs: medians, their spread, and ours against theirs round by round.

Pure arithmetic. Knows nothing about how a figure was measured or how it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tidegate.clients.bench.measured import Measure, Name, Run


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the most of `count` figures."""

    median: float
    least: float
    most: float
    count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One measure of one contestant.

    `spread` is over all calls. `ratio` is ours / theirs: over the rounds, each with its own
    median, so that what slows the machine for a while slows both sides of a ratio. None where
    there is nothing to say, and as the ratio of ours.
    """

    name: Name
    measure: Measure
    spread: Spread | None
    ratio: Spread | None


def compared(runs: Sequence[Run]) -> list[Cell]:
    """Every measure of every contestant, in their order. Each round has one run of each."""
    cells = []
    for measure in Measure:
        ours = _by_round(runs, Name.OURS, measure)
        for name in Name:
            theirs = _by_round(runs, name, measure)
            ratios = [
                median(one) / median(other)
                for one, other in zip(ours, theirs, strict=True)
                if name is not Name.OURS and one and other and median(other) > 0
            ]
            cells.append(
                Cell(
                    name,
                    measure,
                    _spread([one for each in theirs for one in each]),
                    _spread(ratios),
                )
            )
    return cells


def _by_round(runs: Sequence[Run], name: Name, measure: Measure) -> list[tuple[float, ...]]:
    return [run.figures(measure) for run in runs if run.name is name]


def _spread(figures: Sequence[float]) -> Spread | None:
    if not figures:
        return None
    return Spread(median(figures), min(figures), max(figures), len(figures))

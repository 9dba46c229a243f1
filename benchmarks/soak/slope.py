"""Says whether a figure grows with time: its slope, and its first third against its last.

Pure arithmetic over samples.
"""

import statistics
from collections.abc import Sequence
from itertools import combinations, pairwise


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope by Theil and Sen, in units a second: the median over all pairs of points.

    A third of the points may be anything, like a peak while a part is away, without moving it.
    """
    rises = [(b - a) / (t - s) for (s, a), (t, b) in combinations(points, 2) if t != s]
    return statistics.median(rises)


def without_largest_step(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same points, with what lies behind the largest rise from one to the next lowered by it.

    Something may be used for the first time at any moment and stay; what grows does so more than once.
    """
    rises = [after[1] - before[1] for before, after in pairwise(points)]
    if not rises or max(rises) <= 0:
        return list(points)
    at, step = rises.index(max(rises)) + 1, max(rises)
    return [*points[:at], *((t, value - step) for t, value in points[at:])]


def thin(points: Sequence[tuple[float, float]], most: int = 400) -> Sequence[tuple[float, float]]:
    """At most so many of the points, evenly: pairs are many."""
    step = -(-len(points) // most) or 1
    return points[::step]


def thirds(values: Sequence[float]) -> tuple[float, float]:
    """The median of the first third, and of the last."""
    size = max(len(values) // 3, 1)
    return statistics.median(values[:size]), statistics.median(values[-size:])

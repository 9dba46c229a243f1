"""How long after a disturbance callers are served as before.

Served as before: of the work that arrives in a window, at least 95 % of the share from before the
disturbance is answered in full and in time. Knows nothing about what the disturbance was.
"""

import math
from collections.abc import Sequence

from tidegate.balancer.simulation.visit import Visit

WINDOW_S = 5.0
AS_BEFORE = 0.95


def recovery_s(
    visits: Sequence[Visit], calm_s: tuple[float, float], disturbed_until_s: float, end_s: float
) -> float:
    """Seconds from the end of the disturbance to the arrival of the last call not served as before.

    `calm_s` are begin and end of the time before. 0 when all is well at once, inf when the last
    window of the run is still worse than before.
    """
    before = served(visits, *calm_s)
    windows = int((end_s - disturbed_until_s) / WINDOW_S)
    shares = _served_by_window(visits, disturbed_until_s, windows)
    bad = [number for number, share in enumerate(shares) if share < AS_BEFORE * before]
    if not bad:
        return 0.0
    return math.inf if bad[-1] == windows - 1 else (bad[-1] + 1) * WINDOW_S


def _served_by_window(visits: Sequence[Visit], from_s: float, windows: int) -> list[float]:
    """What `served` says of each window, in one pass over the calls."""
    work_s, served_s = [0.0] * windows, [0.0] * windows
    for visit in visits:
        number = int((visit.born_s - from_s) // WINDOW_S)
        if 0 <= number < windows:
            work_s[number] += visit.work.total_s
            served_s[number] += visit.work.total_s if visit.is_in_time else 0.0
    return [had_s / all_s if all_s else 1.0 for had_s, all_s in zip(served_s, work_s, strict=True)]


def served(visits: Sequence[Visit], begin_s: float, end_s: float) -> float:
    """Share of the work that arrived then and was answered in full and in time; 1 for none."""
    arrived = [visit for visit in visits if begin_s <= visit.born_s < end_s]
    work_s = sum(visit.work.total_s for visit in arrived)
    served_s = sum(visit.work.total_s for visit in arrived if visit.is_in_time)
    return served_s / work_s if work_s else 1.0

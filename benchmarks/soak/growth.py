"""What each process took over its life, from the lines of a journal: memory by its slope, the rest by thirds.

The first minutes of a life are warm-up: caches fill, imports are late, arenas grow to what traffic needs. Pure arithmetic.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.soak.journal import Line
from benchmarks.soak.slope import slope, thin, thirds, without_largest_step

WARM_UP_S = 240.0
LONG_S = 600.0
"""A life that is judged by its slope lasted so long, warm-up included."""
_TEN_MINUTES_S = 600.0


@dataclass(frozen=True, slots=True)
class Life:
    """One process that lived long enough."""

    kind: str
    pid: int
    lasted_s: float
    rss_mb: float
    rss_slope: float
    """In percent of its memory in ten minutes, its largest single step left out."""
    descriptors: tuple[float, float]
    threads: tuple[float, float]
    """Medians of the first third and the last."""


def lives(
    lines: Sequence[Line], warm_up_s: float = WARM_UP_S, long_s: float = LONG_S
) -> Iterator[Life]:
    """Yield those that lived for `long_s`, in the order in which they began."""
    by_process: dict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in lines:
        if line["what"] == "sample":
            by_process[line["kind"], line["pid"]].append(line)
    for (kind, pid), samples in by_process.items():
        lasted_s = samples[-1]["at_s"] - samples[0]["at_s"]
        warm = [each for each in samples if each["at_s"] >= samples[0]["at_s"] + warm_up_s]
        if lasted_s < long_s or len(warm) < 3:
            continue
        rss = median(each["rss"] for each in warm)
        points = without_largest_step([(each["at_s"], each["rss"]) for each in warm])
        rise = slope(thin(points))
        yield Life(
            kind,
            pid,
            lasted_s,
            rss / 1e6,
            100 * rise * _TEN_MINUTES_S / rss,
            thirds([each["fds"] for each in warm]),
            thirds([each["threads"] for each in warm]),
        )


def cores(lines: Sequence[Line]) -> float:
    """How much of a core all processes together took, from the first sample to the last."""
    used: dict[int, list[float]] = defaultdict(list)
    times = []
    for line in lines:
        if line["what"] == "sample":
            used[line["pid"]].append(line["cpu_s"])
            times.append(line["at_s"])
    spent_s = sum(each[-1] - each[0] for each in used.values())
    return spent_s / (times[-1] - times[0]) if len(times) > 1 else 0.0

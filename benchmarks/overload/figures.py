"""What a load came to: shares, times and goodput, from the calls alone.

Lane figures count the calls that were due after the warm-up; goodput counts the full answers that came between
warm-up and end, by the seconds that each takes on an instance that does nothing else. Knows nothing of targets.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.gate import percentile
from benchmarks.overload.ending import Call, End
from benchmarks.overload.traffic import Lane

LATE_S = 0.1
"""Who is told later that a call was shed has waited first."""


@dataclass(frozen=True, slots=True)
class Work:
    """How long an instance that does nothing else takes: for a token of a reply, for a label."""

    token_s: float
    label_s: float

    def of(self, call: Call) -> float:
        """Return the seconds that the full answer to `call` is worth."""
        return self.label_s if call.lane is Lane.SENTIMENT else call.tokens * self.token_s


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a run that counts."""

    begin_s: float
    end_s: float


def goodput(calls: Iterable[Call], work: Work, window: Window) -> float:
    """Return slot-seconds of full answers a second."""
    done = sum(
        work.of(call)
        for call in calls
        if call.end is End.FULL and window.begin_s <= call.at_s + call.took_s <= window.end_s
    )
    return done / (window.end_s - window.begin_s)


def figures(calls: Sequence[Call], work: Work, window: Window) -> dict[str, float]:
    """Return every figure by its name; nan where nothing was measured."""
    found = {"goodput": goodput(calls, work, window)}
    counted = [call for call in calls if window.begin_s <= call.at_s <= window.end_s]
    for lane in Lane:
        of_lane = [call for call in counted if call.lane is lane]
        for name, value in _of_lane(of_lane).items():
            found[f"{lane.value}_{name}"] = value
    return found


def _of_lane(calls: Sequence[Call]) -> dict[str, float]:
    answered = [call.took_s for call in calls if call.end in (End.FULL, End.DEGRADED)]
    full = [call.took_s for call in calls if call.end is End.FULL]
    shed = [call.took_s for call in calls if call.end is End.SHED]
    count = len(calls) or math.nan
    return {
        "offered": float(len(calls)),
        **{end.value: sum(call.end is end for call in calls) / count for end in End},
        "answered": len(answered) / count,
        "p50_s": _percentile(answered, 0.5),
        "p95_s": _percentile(answered, 0.95),
        "p99_s": _percentile(answered, 0.99),
        "full_p50_s": _percentile(full, 0.5),
        "full_p95_s": _percentile(full, 0.95),
        "shed_late": sum(took_s > LATE_S for took_s in shed) / (len(shed) or math.nan),
        "shed_p50_s": _percentile(shed, 0.5),
        "shed_p99_s": _percentile(shed, 0.99),
    }


def _percentile(values: Sequence[float], share: float) -> float:
    return percentile(values, share) if values else math.nan

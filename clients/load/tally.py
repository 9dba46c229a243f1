"""Counts what became of the calls of a lane, and how long they took; of several processes, all together.

Times are kept in an HdrHistogram, to three digits, so that a long load takes no more room than a short one. Knows nothing
about how calls are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hdrh.histogram import HdrHistogram

_MOST_US = 3_600_000_000

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class End(str, Enum):
    """How a call ended, as its caller saw it."""

    FULL = "full"
    DEGRADED = "degraded"
    SHED = "shed"
    EXPIRED = "expired"
    FAILED = "failed"


def new_times() -> HdrHistogram:
    """An empty histogram of times, from a microsecond to an hour."""
    return HdrHistogram(1, _MOST_US, 3)


def note(times: HdrHistogram, seconds: float) -> None:
    """Take a time in; what is out of bounds counts as the bound."""
    times.record_value(min(_MOST_US, max(1, round(seconds * 1e6))))


def percentiles(times: HdrHistogram) -> dict[str, float]:
    """In seconds, by their names, and the most; empty where nothing was measured."""
    if not times.get_total_count():
        return {}
    return {
        **{f"p{each:g}": times.get_value_at_percentile(each) / 1e6 for each in PERCENTILES},
        "max": times.get_max_value() / 1e6,
    }


@dataclass(slots=True)
class LaneTally:
    """The calls of one lane.

    answered_s: from the moment at which a call was due to its whole answer, full or degraded.
    first_s: to the first words of a reply. refused_s: to its refusal.
    seconds: of each second the calls due in it ("offered"), and those that ended in it, by their end.
    """

    offered: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    answered_s: HdrHistogram = field(default_factory=new_times)
    first_s: HdrHistogram = field(default_factory=new_times)
    refused_s: HdrHistogram = field(default_factory=new_times)
    seconds: dict[int, Counter[str]] = field(default_factory=dict)

    def offer(self, at_s: float) -> None:
        """A call was made that was due at this moment."""
        self.offered += 1
        self.seconds.setdefault(int(at_s), Counter())["offered"] += 1

    def finish(self, end: End, reason: str, took_s: float, now_s: float) -> None:
        """A call is over. `reason` says why it was shed or how it failed."""
        self.ends[end.value] += 1
        self.seconds.setdefault(int(now_s), Counter())[end.value] += 1
        match end:
            case End.FULL | End.DEGRADED:
                note(self.answered_s, took_s)
            case End.SHED:
                note(self.refused_s, took_s)
                self.reasons[reason] += 1
            case End.FAILED:
                self.reasons[reason] += 1
            case End.EXPIRED:
                pass

    def told(self) -> dict[str, Any]:
        """Everything but the seconds, as JSON."""
        return {
            "offered": self.offered,
            "ends": self.ends,
            "reasons": self.reasons,
            "answered_s": self.answered_s.encode().decode(),
            "first_s": self.first_s.encode().decode(),
            "refused_s": self.refused_s.encode().decode(),
        }

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in what another process told of its calls."""
        self.offered += told["offered"]
        self.ends.update(told["ends"])
        self.reasons.update(told["reasons"])
        self.answered_s.decode_and_add(told["answered_s"].encode())
        self.first_s.decode_and_add(told["first_s"].encode())
        self.refused_s.decode_and_add(told["refused_s"].encode())

"""Puts load on a target from a process of its own, and says when that process could not keep up.

Knows nothing of what stands behind the target.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gate import percentile
from benchmarks.overload.ending import Call, End
from benchmarks.overload.traffic import Callers, Lane

ROOT = Path(__file__).resolve().parents[2]

# A generator that is later than this, or busier, measures itself.
MOST_LAG_S = 0.05
MOST_CPU = 0.85


class LoadError(Exception):
    """The load could not be put on the target."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go. `service_config` is gRPC's own, for calls that the client itself retries."""

    address: str
    service_config: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What callers do to a target, for `duration_s`."""

    callers: tuple[Callers, ...]
    duration_s: float
    seed: int = 1
    channels: int = 4


@dataclass(frozen=True, slots=True)
class Driven:
    """The calls of a load, and how well it was put: lag is how late calls were made."""

    calls: tuple[Call, ...]
    lag_p99_s: float
    lag_most_s: float
    cpu: float

    @property
    def complaint(self) -> str:
        """What was wrong with the load; empty when its figures can be believed."""
        if self.lag_p99_s <= MOST_LAG_S and self.cpu <= MOST_CPU:
            return ""
        return (
            f"the load generator lagged: p99 {self.lag_p99_s * 1000:.0f} ms, at most "
            f"{self.lag_most_s * 1000:.0f} ms, busy {self.cpu:.0%} of the time"
        )


def drive(load: Load, target: Target, log: Path) -> Driven:
    """Make the calls and return what became of them. Raises LoadError."""
    plan = {
        "target": target.address,
        "service_config": target.service_config,
        "channels": load.channels,
        "callers": [{**asdict(each), "lane": each.lane.value} for each in load.callers],
        "duration_s": load.duration_s,
        "seed": load.seed,
    }
    with log.open("ab") as errors:
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.overload.generator"],
            input=json.dumps(plan),
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            text=True,
            check=False,
        )
    if ended.returncode:
        raise LoadError(f"no load on {target.address}; see {log}")
    said = json.loads(ended.stdout)
    return Driven(
        tuple(
            Call(at_s, Lane(lane), tokens, End(end), took_s)
            for at_s, lane, tokens, end, took_s in said["calls"]
        ),
        percentile(said["lags_s"], 0.99),
        max(said["lags_s"]),
        said["cpu"],
    )

"""Plays the scenarios: every system in turn, before the same instances, with the same arrivals.

Knows nothing of gates.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.overload.closed_loop import saturate
from benchmarks.overload.figures import Work, figures
from benchmarks.overload.fleet import Fleet
from benchmarks.overload.load import drive
from benchmarks.overload.scenario import REPLY_TOKENS, Scale, Scenario
from benchmarks.overload.systems import System
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.simulated import read_latency

# From here on a core has nothing left to give, and figures are about the machine.
_BUSY = 0.9


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the fleet gives at most: slot-seconds a second, and chats a second."""

    goodput: float
    chats_per_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """A system in a scenario. `complaint` says why the figures can't be believed, if so."""

    scenario: str
    system: str
    figures: dict[str, float]
    cpu: float
    complaint: str = ""

    def __getitem__(self, figure: str) -> float:
        return self.figures.get(figure, math.nan)


@dataclass(frozen=True, slots=True)
class Stage:
    """On what everything is played."""

    fleet: Fleet
    scale: Scale
    scratch: Path
    tell: Callable[[str], None]

    @property
    def latency(self) -> Latency:
        """The time model of the instances."""
        return read_latency(f"simulated:{self.fleet.size.latency}")

    @property
    def work(self) -> Work:
        """What a call is worth, in seconds of an instance that does nothing else."""
        return work_of(self.latency)

    @property
    def chat_s(self) -> float:
        """How long a usual chat takes alone."""
        return REPLY_TOKENS * self.work.token_s

    def capacity(self) -> Capacity:
        """Measure what the fleet gives when every slot is always taken."""
        chats_per_s, tokens_per_s = saturate(self.fleet, self.scale, REPLY_TOKENS)
        return Capacity(tokens_per_s * self.work.token_s, chats_per_s)

    def play(self, scenario: Scenario, system: System, capacity: Capacity) -> Played:
        """Put a scenario's load on a system."""
        self.tell(f"{scenario.name}: {system.title}")
        with system.running(self.fleet, self.chat_s, self.scratch) as running:
            before_s = running.cpu_s()
            load = scenario.load(capacity.chats_per_s, self.scale)
            driven = drive(load, running.target, self.scratch / "generator.log")
            # Until the last answer, which is a deadline later at most.
            cpu = (running.cpu_s() - before_s) / self.scale.duration_s
        self.fleet.wait_idle()
        found = figures(driven.calls, self.work, self.scale.window)
        found["goodput_share"] = found["goodput"] / (
            capacity.goodput + scenario.labels * self.work.label_s
        )
        found["capacity_chats_per_s"] = capacity.chats_per_s
        found["warm_up_s"], found["duration_s"] = self.scale.warm_up_s, self.scale.duration_s
        found["lag_p99_s"] = driven.lag_p99_s
        found["generator_cpu"] = driven.cpu
        busy = f"{system.title} was busy {cpu:.0%} of a core" if cpu > _BUSY else ""
        complaint = "; ".join(filter(None, (driven.complaint, busy)))
        if complaint:
            self.tell(f"  {complaint}")
        return Played(scenario.name, system.name, found, cpu, complaint)


def work_of(latency: Latency) -> Work:
    """Return what calls are worth on instances of that latency: the steps that they need."""
    step_s = latency.step_s + latency.row_s
    return Work(token_s=step_s, label_s=step_s)


def best(played: Sequence[Played], figure: str, *, least: bool = False) -> Played | None:
    """Return the one with the highest (or least) value of a figure; None without any."""
    known = [each for each in played if not math.isnan(each[figure])]
    if not known:
        return None
    return (min if least else max)(known, key=lambda each: each[figure])

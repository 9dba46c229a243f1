"""Starts the processes of a load, and puts together what they tell.

Knows nothing about how calls are made, nor how the outcome is shown.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from tidegate.clients.load.plan import LANES, Plan
from tidegate.clients.load.tally import LaneTally, new_times
from tidegate.clients.local.child import Child, Command, Output

# Above these the load was not the one that was asked for.
MOST_LATE = 0.01
MOST_CPU = 0.9

_GRACE_S = 2.0


class LoadError(Exception):
    """The load can't be put; the message is one line that says why."""


@dataclass(slots=True)
class Outcome:
    """What became of a load so far, and how well it was put.

    made counts the calls, late those that were made later than they were due (caller.LATE_S), by lags.
    cpu is the share of a core that the busiest process used, at its busiest second.
    seconds: of each lane, second by second.
    """

    lanes: dict[str, LaneTally] = field(
        default_factory=lambda: {lane: LaneTally() for lane in LANES}
    )
    seconds: dict[str, dict[int, Counter[str]]] = field(
        default_factory=lambda: {lane: {} for lane in LANES}
    )
    made: int = 0
    late: int = 0
    lags: HdrHistogram = field(default_factory=new_times)
    cpu: float = 0.0
    at_s: float = 0.0

    def in_second(self, lane: str, second: int) -> Counter[str]:
        """The calls of a lane that were due in a second of the load ("offered"), and that ended in it."""
        return self.seconds[lane].get(second, Counter())

    @property
    def is_limit(self) -> bool:
        """Whether the load tool itself could not keep up: then the figures are its own."""
        return self.late > MOST_LATE * self.made or self.cpu > MOST_CPU


async def drive(plan: Plan, seen: Callable[[Outcome], None]) -> Outcome:
    """Put the load on its address; `seen` is shown the outcome about once a second.

    Raises LoadError. Cancelled, it ends the processes at once.
    """
    command = (sys.executable, "-m", "tidegate.clients.load.caller")
    children: list[Child] = []
    last: list[dict[str, Any]] = [{} for _ in range(plan.processes)]
    seconds: dict[str, dict[int, Counter[str]]] = {lane: {} for lane in LANES}
    busiest = 0.0

    async def listen(number: int, child: Child) -> None:
        nonlocal busiest
        while line := await child.hear():
            told = json.loads(line)
            last[number] = told
            # The first second is of starting.
            busiest = max(busiest, told["cpu"] if told["at_s"] > 1 else 0.0)
            for lane, each in told["lanes"].items():
                for second, counts in each.pop("seconds").items():
                    seconds[lane].setdefault(int(second), Counter()).update(counts)
            seen(_together(last, seconds, busiest))
        if not last[number].get("is_done"):
            await child.ended()
            raise _failure(child)

    try:
        for number in range(plan.processes):
            child = await Child.start(Command(f"load process {number + 1}", command, Output.PIPED))
            children.append(child)
            await child.tell(str(number))
            await child.tell(plan.as_line())
        for child in children:
            if await child.hear() != "ready\n":
                await child.ended()
                raise _failure(child)
        for child in children:
            await child.tell("go")
        await asyncio.gather(*(listen(number, child) for number, child in enumerate(children)))
    finally:
        await asyncio.gather(*(child.end(_GRACE_S) for child in children))
    return _together(last, seconds, busiest)


def _together(
    last: list[dict[str, Any]], seconds: dict[str, dict[int, Counter[str]]], busiest: float
) -> Outcome:
    outcome = Outcome(seconds=seconds, cpu=busiest)
    for told in last:
        if not told:
            continue
        outcome.made += told["made"]
        outcome.late += told["late"]
        outcome.lags.decode_and_add(told["lags"].encode())
        outcome.at_s = max(outcome.at_s, told["at_s"])
        for lane, each in told["lanes"].items():
            outcome.lanes[lane].add(each)
    return outcome


def _failure(child: Child) -> LoadError:
    lines = child.last_words().splitlines()
    return LoadError(lines[-1].strip() if lines else f"{child.command.name} {child.how_it_ended()}")

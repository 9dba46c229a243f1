"""The simulated launcher: starts and stops instances as it is told, and keeps the books of how long they run.

A start takes its time and may fail; whoever is stopped drains first. Knows nothing about load, nor why a number is wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tidegate.balancer.core.instance import Phase, Role
from tidegate.balancer.simulation.clock import Clock, Event, Rank
from tidegate.balancer.simulation.registry import Entry, Registry
from tidegate.balancer.simulation.starts import Starts

LOOK_S = 0.1
"""How often a draining instance looks whether it is empty."""
CLEAN_UP_S = 1.0
"""From the last answer to the end of the process."""


@dataclass(slots=True)
class Hours:
    """How long instances ran altogether, in seconds: permanent, starting, hot and draining ones."""

    running: int = 0
    total_s: float = 0.0
    _since_s: float = 0.0

    def change(self, by: int, now: float) -> None:
        """So many more run from now on."""
        self.total_s += self.running * (now - self._since_s)
        self.running, self._since_s = self.running + by, now


class Launcher:
    """The cold instances by role, and those of them that were started."""

    def __init__(
        self,
        starts: Starts,
        usual_s: float,
        cold: Mapping[Role, list[Entry]],
        permanent: int,
        registry: Registry,
        rng: Random,
    ) -> None:
        self.hours = Hours(permanent)
        self.begun = 0
        self.failed = 0
        self._starts = starts
        self._usual_s = usual_s
        self._cold = {role: list(entries) for role, entries in cold.items()}
        self._kept: dict[Role, list[Entry]] = {role: [] for role in cold}
        self._under_way: dict[Entry, Event] = {}
        self._failures: set[Role] = set()
        self._registry = registry
        self._rng = rng

    @property
    def _clock(self) -> Clock:
        return self._registry.clock

    def count(self, role: Role) -> int:
        """How many of `role` run or are being started."""
        return len(self._kept[role])

    def take_failure(self, role: Role) -> bool:
        """Whether a start failed since this was asked last."""
        has_failed = role in self._failures
        self._failures.discard(role)
        return has_failed

    def keep(self, role: Role, count: int) -> None:
        """Start or stop as many as it takes. Those that aren't hot yet are stopped first, then the latest."""
        kept = self._kept[role]
        while len(kept) < count and self._cold[role]:
            self._start(role)
        while len(kept) > count:
            starting = [entry for entry in kept if entry in self._under_way]
            self._stop(role, (starting or kept)[-1])

    def _start(self, role: Role) -> None:
        now, entry = self._clock.now_s, self._cold[role].pop(0)
        self.begun += 1
        self.hours.change(1, now)
        self._kept[role].append(entry)
        entry.machine.is_alive, entry.machine.is_draining = True, False
        self._registry.declare(entry, Phase.WARMING)
        fate = self._starts.fate(self._usual_s, now, self._rng)

        def end() -> None:
            del self._under_way[entry]
            if fate.fails:
                self.failed += 1
                self._failures.add(role)
                self._kept[role].remove(entry)
                self._end(role, entry)
            else:
                self._registry.declare(entry, Phase.HOT)

        self._under_way[entry] = self._clock.at(now + fate.after_s, Rank.MEMBERSHIP, end)

    def _stop(self, role: Role, entry: Entry) -> None:
        self._kept[role].remove(entry)
        start = self._under_way.pop(entry, None)
        if start is not None:
            start.cancel()
            self._end(role, entry)
            return
        entry.machine.is_draining = True
        self._registry.declare(entry, Phase.DRAINING)
        self._await_the_last(role, entry)

    def _await_the_last(self, role: Role, entry: Entry) -> None:
        is_busy = any(entry.machine.running.values())
        in_s = LOOK_S if is_busy else CLEAN_UP_S

        def look() -> None:
            if is_busy:
                self._await_the_last(role, entry)
            else:
                self._end(role, entry)

        self._clock.at(self._clock.now_s + in_s, Rank.MEMBERSHIP, look)

    def _end(self, role: Role, entry: Entry) -> None:
        entry.machine.is_alive = False
        self._registry.remove(entry)
        self._cold[role].append(entry)
        self.hours.change(-1, self._clock.now_s)

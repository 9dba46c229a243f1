"""The simulated registry: which instances are hot, as it knows, and whom it tells when.

What happens to an instance is known after the interval of its health check, and each balancer hears it a
moment apart from the others. A stale registry tells nothing. Knows nothing about calls.
"""

from dataclasses import dataclass
from random import Random

from tidegate.balancer.core.instance import Phase, Registration, Role
from tidegate.balancer.simulation.clock import Clock, Rank
from tidegate.balancer.simulation.machine import Machine
from tidegate.balancer.simulation.sidecar import Sidecar

SPREAD_S = 0.05
"""Balancers hear the same news within this time."""


@dataclass(slots=True, eq=False)
class Entry:
    """One registered instance. `is_listed` is False before it has started for the first time, and while it is cold.

    A permanent one is there from the beginning, and nobody stops it.
    """

    machine: Machine
    role: Role
    phase: Phase = Phase.HOT
    is_listed: bool = True
    is_permanent: bool = True

    @property
    def registration(self) -> Registration:
        """What it registers."""
        machine = self.machine
        return Registration(machine.name, machine.name, self.phase, self.role, machine.slots)


class Registry:
    """All instances, and the balancers that listen."""

    def __init__(self, clock: Clock, rng: Random, notice_s: float) -> None:
        self.entries: list[Entry] = []
        self.sidecars: list[Sidecar] = []
        self.is_stale = False
        self.clock = clock
        self.rng = rng
        self._notice_s = notice_s

    @property
    def permanent(self) -> list[Entry]:
        """Those that are there from the beginning."""
        return [each for each in self.entries if each.is_permanent]

    def count(self, phase: Phase) -> int:
        """Instances of that phase, as the registry knows."""
        return sum(each.is_listed and each.phase is phase for each in self.entries)

    def publish(self) -> None:
        """Tell every balancer the whole list, unless the registry is stale."""
        if self.is_stale:
            return
        listing = tuple(each.registration for each in self.entries if each.is_listed)
        for sidecar in self.sidecars:
            at_s = self.clock.now_s
            if at_s > 0:
                at_s += SPREAD_S * self.rng.random()
            self.clock.at(at_s, Rank.MEMBERSHIP, lambda to=sidecar: to.observe(listing))  # type: ignore[misc]

    def declare(self, entry: Entry, phase: Phase) -> None:
        """The instance says itself where it stands; known at once."""
        entry.is_listed, entry.phase = True, phase
        self.publish()

    def remove(self, entry: Entry) -> None:
        """The instance takes itself off the list; known at once."""
        entry.is_listed = False
        self.publish()

    def check(self, entry: Entry, phase: Phase) -> None:
        """The health check finds the instance in another state, up to one interval later."""
        in_s = self._notice_s * self.rng.random()
        self.clock.at(self.clock.now_s + in_s, Rank.MEMBERSHIP, lambda: self.declare(entry, phase))

    def start(self, entry: Entry) -> None:
        """A process starts: warming now, hot when its model is loaded."""
        machine = entry.machine
        machine.is_alive, machine.is_draining = True, False
        self.declare(entry, Phase.WARMING)
        hot_s = self.clock.now_s + machine.engine.start_up_s
        self.clock.at(
            hot_s,
            Rank.MEMBERSHIP,
            lambda: self.declare(entry, Phase.HOT) if machine.is_alive else None,
        )

"""What goes wrong in a run: instances that die, hang, slow down, flap, lose calls, leave or join, and a
registry that tells nothing.

Each fault begins at `at_s` and ends `for_s` later (0: never) for the instances that it names. Knows nothing
about calls or pools.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from tidegate.balancer.core.instance import Phase
from tidegate.balancer.simulation.clock import Rank
from tidegate.balancer.simulation.registry import Entry, Registry
from tidegate.balancer.simulation.table import Table

Share = Annotated[float, Field(gt=0, le=1)]


class _Fault(Table):
    at_s: Annotated[float, Field(ge=0, le=1e7)]
    for_s: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    instances: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """By number, from 0, of those that run all the time; all of them when none is named."""

    def arm(self, registry: Registry) -> None:
        """Put begin and end of the fault on the clock."""
        clock, entries = registry.clock, registry.permanent
        struck = entries if self.instances is None else [entries[each] for each in self.instances]
        clock.at(self.at_s, Rank.CALL, lambda: self.begin(struck, registry))
        if self.for_s:
            clock.at(self.at_s + self.for_s, Rank.CALL, lambda: self.end(struck, registry))

    def begin(self, struck: list[Entry], registry: Registry) -> None:
        """Let it happen."""
        raise NotImplementedError

    def end(self, struck: list[Entry], registry: Registry) -> None:
        """Let it be over."""
        raise NotImplementedError


class Kill(_Fault):
    """The process dies; its supervisor starts it again when the fault ends."""

    kind: Literal["kill"]

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.die()
            registry.check(entry, Phase.WARMING)

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            registry.start(entry)


class Hang(_Fault):
    """The process takes calls and answers none; the health check notices."""

    kind: Literal["hang"]

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.change(speed=0.0)
            registry.check(entry, Phase.WARMING)

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.change(speed=1.0)
            registry.check(entry, Phase.HOT)


class Slow(_Fault):
    """The engine runs at `speed`, a share of its normal one; nobody is told."""

    kind: Literal["slow"]
    speed: Share

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.change(speed=self.speed)

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.change(speed=1.0)


class Flap(_Fault):
    """The registry says warming and hot in turns, although the instance is well."""

    kind: Literal["flap"]
    period_s: Annotated[float, Field(gt=0, le=1e6)]
    for_s: Annotated[float, Field(gt=0, le=1e7)]

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        clock = registry.clock
        turns = int(self.for_s / self.period_s)
        for turn in range(turns):
            phase = Phase.WARMING if turn % 2 == 0 else Phase.HOT
            for entry in struck:
                clock.at(
                    clock.now_s + turn * self.period_s,
                    Rank.MEMBERSHIP,
                    lambda entry=entry, phase=phase: registry.declare(entry, phase),  # type: ignore[misc]
                )

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            registry.declare(entry, Phase.HOT)


class Lossy(_Fault):
    """A share of the calls that are sent there is lost before any answer."""

    kind: Literal["lossy"]
    share: Share

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.loses = self.share

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.loses = 0.0


class Leave(_Fault):
    """The instance drains, as on SIGTERM; another process takes its place when the fault ends."""

    kind: Literal["leave"]

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.is_draining = True
            registry.declare(entry, Phase.DRAINING)

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            registry.start(entry)


class Join(_Fault):
    """The instance doesn't exist before: it starts at `at_s`."""

    kind: Literal["join"]

    def arm(self, registry: Registry) -> None:  # noqa: D102
        for each in self.instances or range(len(registry.permanent)):
            registry.permanent[each].is_listed = False
        super().arm(registry)

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            registry.start(entry)

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        for entry in struck:
            entry.machine.is_draining = True
            registry.declare(entry, Phase.DRAINING)


class Stale(_Fault):
    """The registry tells nothing while the fault lasts, then everything."""

    kind: Literal["stale"]

    def begin(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        registry.is_stale = True

    def end(self, struck: list[Entry], registry: Registry) -> None:  # noqa: D102
        registry.is_stale = False
        registry.publish()


class Chaos(_Fault):
    """`count` faults drawn by the run's seed, each of any kind, for any instances, at any time."""

    kind: Literal["chaos"]
    for_s: Annotated[float, Field(gt=0, le=1e7)]
    count: Annotated[int, Field(ge=1, le=1000)]

    def arm(self, registry: Registry) -> None:  # noqa: D102
        rng = registry.rng
        everyone = range(len(registry.permanent))
        for _ in range(self.count):
            at_s = self.at_s + rng.random() * self.for_s
            told: dict[str, Any] = {
                "at_s": at_s,
                "for_s": 0.01 + rng.random() * self.for_s / 3.0,
                "instances": tuple(each for each in everyone if rng.random() < 0.5) or (0,),
            }
            drawn: tuple[_Fault, ...] = (
                Kill(kind="kill", **told),
                Hang(kind="hang", **told),
                Slow(kind="slow", speed=0.1 + 0.8 * rng.random(), **told),
                Flap(kind="flap", period_s=0.1 + rng.random(), **told),
                Lossy(kind="lossy", share=0.1 + 0.9 * rng.random(), **told),
                Leave(kind="leave", **told),
                Stale(kind="stale", **told),
            )
            drawn[int(rng.random() * len(drawn))].arm(registry)


Fault = Annotated[
    Kill | Hang | Slow | Flap | Lossy | Leave | Join | Stale | Chaos, Field(discriminator="kind")
]

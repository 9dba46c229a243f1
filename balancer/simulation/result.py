"""What a run leaves behind: every call, a sample of the queues each second, the books on the pools."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase
from tidegate.balancer.simulation.machine import Machine
from tidegate.balancer.simulation.scaling import Scaling
from tidegate.balancer.simulation.scenario import Scenario
from tidegate.balancer.simulation.sidecar import Sidecar
from tidegate.balancer.simulation.visit import Visit


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of all balancers together at one moment."""

    at_s: float
    waits: Mapping[Lane, int]
    in_flight: Mapping[Lane, int]
    phases: Mapping[Phase, int]

    @property
    def waiting(self) -> int:
        """Calls that wait, in any lane."""
        return sum(self.waits.values())


@dataclass(slots=True)
class Result:
    """A run that is over."""

    scenario: Scenario
    seed: int
    visits: list[Visit] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    sidecars: list[Sidecar] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    scaling: Scaling | None = None
    """What was started and stopped, if anything was."""

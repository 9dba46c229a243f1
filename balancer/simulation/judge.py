"""Judges a run by the gates of its scenario, running what it is compared with when that is needed.

Knows nothing about how figures are measured or shown.
"""

from dataclasses import dataclass, field
from typing import Any

from tidegate.balancer.simulation.figures import figures
from tidegate.balancer.simulation.gate import Gate, Judgement
from tidegate.balancer.simulation.library import read
from tidegate.balancer.simulation.run import run


@dataclass(slots=True)
class Judge:
    """Judges runs of one seed; what is compared with more than once runs once."""

    seed: int | None = None
    _known: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    def figures(self, which: str, changes: dict[str, Any] | None = None) -> dict[str, float]:
        """The figures of a scenario, by name or file, with changes by dotted names."""
        key = which, repr(sorted((changes or {}).items()))
        if key not in self._known:
            self._known[key] = figures(run(read(which, changes), self.seed))
        return self._known[key]

    def judge(
        self, which: str, gates: tuple[Gate, ...], found: dict[str, float]
    ) -> list[Judgement]:
        """How the gates of a run of `which` stand, whose figures are `found`."""
        return [self._judge(which, gate, found[gate.figure]) for gate in gates]

    def _judge(self, which: str, gate: Gate, value: float) -> Judgement:
        if gate.against is not None:
            other = which if gate.against == "self" else gate.against
            compared = self.figures(other, gate.set)[gate.figure]
            value = value / compared if compared else float("nan")
        return Judgement(gate, value, gate.judge(value))

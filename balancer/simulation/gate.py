"""A gate: one figure of a run, the target that it must reach, and the floor below which nothing is forgiven.

The figure is judged as it is, or as a ratio to the same figure of another scenario, or of the same one with
other values. Knows nothing about how figures are measured.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import Field, field_validator, model_validator

from tidegate.balancer.simulation.names import NAMES
from tidegate.balancer.simulation.table import Table


class Standing(Enum):
    """How a gate stands."""

    MET = "met"
    FLOOR = "floor held"
    """Missed, but no worse than the floor."""
    MISSED = "missed"


class Gate(Table):
    """One line of the specification, as a scenario states it."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None
    floor: float | None = None
    against: str | None = None
    """Name or path of the scenario whose figure divides this one's; "self": the same scenario."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ in that other run, by their dotted names."""

    @field_validator("figure")
    @classmethod
    def _is_measured(cls, value: str) -> str:
        if value not in NAMES:
            raise ValueError(f"{value!r} is not measured; measured are {', '.join(NAMES)}")
        return value

    @model_validator(mode="after")
    def _is_a_gate(self) -> "Gate":
        if self.at_least is None and self.at_most is None:
            raise ValueError("neither at_least nor at_most is given")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least: {self.at_least:g} is above at_most, {self.at_most:g}")
        if self.floor is not None:
            if self.at_least is not None and self.floor > self.at_least:
                raise ValueError(f"floor: {self.floor:g} is above at_least, {self.at_least:g}")
            if self.at_most is not None and self.floor < self.at_most:
                raise ValueError(f"floor: {self.floor:g} is below at_most, {self.at_most:g}")
        return self

    def __str__(self) -> str:
        """The gate in words: "chat_goodput / capacity at least 0.95"."""
        named = self.figure if self.against is None else f"{self.figure} / {self.against}"
        limits = [
            *([] if self.at_least is None else [f"at least {self.at_least:g}"]),
            *([] if self.at_most is None else [f"at most {self.at_most:g}"]),
        ]
        return f"{named} {' and '.join(limits)}"

    def judge(self, value: float) -> Standing:
        """How the gate stands with this value. A value that is no number misses it."""
        if self._holds(value, self.at_least, self.at_most):
            return Standing.MET
        if self.floor is not None:
            low = None if self.at_least is None else self.floor
            high = None if self.at_most is None else self.floor
            if self._holds(value, low, high):
                return Standing.FLOOR
        return Standing.MISSED

    @staticmethod
    def _holds(value: float, low: float | None, high: float | None) -> bool:
        return value == value and (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A gate, the value that it was judged by, and how it stands."""

    gate: Gate
    value: float
    standing: Standing

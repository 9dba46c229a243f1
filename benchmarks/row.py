"""A line of the table, as it is printed, drawn and written to a file."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What came of a row."""

    MET = "met"
    MISSED = "missed"
    # Shown without a gate of its own.
    SHOWN = "–"
    # Nothing was measured; the note says why.
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. Figures are in `unit`; `ratio` is ours / theirs, with its range."""

    name: str
    what: str
    against: str
    verdict: Verdict
    unit: str = ""
    gate: str = ""
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    rounds: int = 0
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON's values."""
        return {**asdict(self), "verdict": self.verdict.value}

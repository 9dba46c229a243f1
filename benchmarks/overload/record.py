"""What was measured, in a file that later runs add to: a whole run is long, and may be made in pieces.

Knows nothing of what the figures mean.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.overload.contest import Played
from benchmarks.row import Row, Verdict


@dataclass(slots=True)
class Record:
    """Systems in scenarios, and rows of other measurements, each by its name; the latest counts."""

    machine: dict[str, str] = field(default_factory=dict)
    played: dict[tuple[str, str], Played] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)

    def play(self, played: Played) -> None:
        """Take in a system in a scenario."""
        self.played[played.scenario, played.system] = played

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows."""
        self.rows.update({row.name: row for row in rows})

    def write(self, file: Path, gates: Sequence[Row]) -> None:
        """Write everything, with the gates that follow from it."""
        said = {
            "machine": self.machine,
            "played": [_finite(asdict(each)) for each in self.played.values()],
            "rows": [row.as_json() for row in self.rows.values()],
            "gates": [row.as_json() for row in gates],
        }
        file.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read(file: Path) -> Record:
    """Return what a file holds; an empty record when there is none."""
    record = Record()
    if file.exists():
        said = json.loads(file.read_text("utf-8"))
        record.machine = said["machine"]
        for each in said["played"]:
            record.play(Played(**each))
        record.add(Row(**{**row, "verdict": Verdict(row["verdict"])}) for row in said["rows"])
    return record


def _finite(played: dict[str, Any]) -> dict[str, Any]:
    """Leave out figures that aren't numbers: JSON has none."""
    figures = {name: value for name, value in played["figures"].items() if not math.isnan(value)}
    return {**played, "figures": figures}

"""Prints the rows as a table in plain text, the same on every terminal and in every document."""

import unicodedata
from collections.abc import Mapping, Sequence

from benchmarks.row import Row

_HEADS = ("row", "against", "gate", "ours", "theirs", "ratio", "range", "verdict")


def render(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Return the machine, the table, and below it the notes of the rows that have any."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    lines = [f"{name}: {value}" for name, value in machine.items()] + [""]
    lines += [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in cells
    ]
    lines.insert(len(machine) + 2, "  ".join("-" * width for width in widths))
    lines.append("")
    lines += [
        f"{row.name}: {row.what}{'; ' if row.what and row.note else ''}{row.note}" for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.against,
        row.gate,
        _figure(row.ours, row.unit),
        _figure(row.theirs, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        "" if row.least is None or row.rounds < 2 else f"{row.least:.2f}–{row.most:.2f}",
        row.verdict.value,
    )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)

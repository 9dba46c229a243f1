"""Shows a comparison: a table for people, fields for programs.

Knows nothing about how anything was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from tidegate.clients.bench.comparison import Cell, Spread, compared
from tidegate.clients.bench.measured import Measure, Name, Run
from tidegate.clients.bench.rounds import Course

_OTHERS = (Name.PIPELINE, Name.SPLIT)


def table(runs: Sequence[Run]) -> Table:
    """Each measure in a row: median (least to most), and ours / theirs, by rounds, likewise."""
    heads = [head for name in _OTHERS for head in (name.value, "ours / theirs")]
    shown = Table("", Name.OURS.value, *heads, box=box.SIMPLE_HEAD)
    cells = {(cell.measure, cell.name): cell for cell in compared(runs)}
    for measure in Measure:
        row = [_figures(cells[measure, Name.OURS].spread)]
        for name in _OTHERS:
            cell = cells[measure, name]
            row += [_figures(cell.spread), _ratio(cell.ratio)]
        shown.add_row(f"{measure.title}, {measure.unit}", *row)
    return shown


def notes(runs: Sequence[Run], course: Course) -> list[str]:
    """What must be known to read the table."""
    asked = course.rounds * course.labels
    good = {name: sum(run.good_labels for run in runs if run.name is name) for name in _OTHERS}
    lines = [
        "Median (least to most) of all calls; ratios are taken round by round.",
        "All get the same short prompt with four examples. Ours keeps its fixed part in memory, as "
        "it does for every profile; the pipeline reads it anew for each call.",
        f"Of the pipeline's {asked} answers {good[Name.PIPELINE]} were one of the labels; ours can "
        "be nothing else. This compares time and memory, not who is right.",
        "The classifier of the split deployment has BERT-base's size and random weights, made at "
        "the start; it and its chat model (the pipeline's) share one process.",
    ]
    if not course.warmed_up:
        lines.append("One short round without a warm-up: enough to see that it works, no more.")
    return lines


def fields(facts: Mapping[str, str], runs: Sequence[Run], course: Course) -> dict[str, Any]:
    """Everything, as JSON fields; a spread is null where nothing was measured."""
    return {
        "machine": dict(facts),
        "course": asdict(course),
        "rows": [_cell_fields(cell) for cell in compared(runs)],
        "good_labels": {
            name.value: sum(run.good_labels for run in runs if run.name is name) for name in Name
        },
        "notes": notes(runs, course),
    }


def _cell_fields(cell: Cell) -> dict[str, Any]:
    return {
        "contestant": cell.name.value,
        "measure": cell.measure.name.lower(),
        "unit": cell.measure.unit,
        "spread": None if cell.spread is None else asdict(cell.spread),
        "ours_by_theirs": None if cell.ratio is None else asdict(cell.ratio),
    }


def _figures(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    median, least, most = (_three_digits(one) for one in (spread.median, spread.least, spread.most))
    return median if spread.count == 1 else f"{median} ({least} to {most})"


def _ratio(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.count == 1:
        return f"{spread.median:.2f}x"
    return f"{spread.median:.2f}x ({spread.least:.2f} to {spread.most:.2f})"


def _three_digits(figure: float) -> str:
    return f"{figure:.{0 if figure >= 100 else 1 if figure >= 10 else 2}f}"

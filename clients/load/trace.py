"""Reads a recorded trace: a CSV table of the moments at which calls came, and what else was kept of them.

Knows nothing about who will make the calls again.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from tidegate.clients.load.plan import Method, Recorded
from tidegate.clients.words import told


class TraceError(Exception):
    """A trace can't be used; the message is one line that names file, line and what is wrong."""


def read_trace(path: Path) -> tuple[Recorded, ...]:
    """The calls of a trace. Columns: at_s, and, where they are there, method, text and deadline_s.

    Raises TraceError for the first line that is wrong: a load with a hole in it is another load.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened)
            if "at_s" not in (table.fieldnames or ()):
                raise TraceError(f"{path}: {told('line 1: there is no column at_s')}")
            calls = tuple(_call(path, table.line_num, row) for row in table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: {error}") from None
    if not calls:
        raise TraceError(f"{path}: {told('the file is empty')}")
    return calls


def _call(path: Path, line: int, row: dict[str, str | None]) -> Recorded:
    method = row.get("method") or None
    try:
        return Recorded(
            at_s=_seconds("at_s", row.get("at_s") or ""),
            method=None if method is None else _method(method),
            text=row.get("text") or None,
            deadline_s=_seconds("deadline_s", given) if (given := row.get("deadline_s")) else None,
        )
    except ValueError as error:
        problem = told("line {line}: {problem}", line=line, problem=error)
        raise TraceError(f"{path}: {problem}") from None


def _method(value: str) -> Method:
    try:
        return Method(value)
    except ValueError:
        methods = ", ".join(method.value for method in Method)
        raise ValueError(
            told("method: {value} is none of {methods}", value=repr(value), methods=methods)
        ) from None


def _seconds(column: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(
            told(
                "{column}: {value} is not a number of seconds from 0 on",
                column=column,
                value=repr(value),
            )
        )
    return seconds

"""Reads scenarios: from a file, or by name from those that come with the balancer.

A file may build on another (`like = "NAME"`) and change values of it by their dotted names
(`[set]`, "traffic.0.arrivals.rate" = 50). Knows nothing about what the values mean.
"""

import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tidegate.balancer.simulation.scenario import Scenario

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "scenarios"
DEEPEST = 8
"""Files that may build on each other; more is a circle."""


class ScenarioError(Exception):
    """A scenario can't be used. The message is one line: file, field, what is accepted."""


def names() -> list[str]:
    """The scenarios that come with the balancer."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(which: str, changes: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario of that name or file, with `changes` by dotted names. Raises ScenarioError."""
    tables = _tables(which, DEEPEST)
    _change(tables, changes or {}, which)
    try:
        return Scenario.model_validate(tables)
    except ValidationError as error:
        raise ScenarioError(f"{which}: {_line(error)}") from None


def value_of(told: str) -> Any:
    """The value that `told` is in TOML; the text itself when it is none."""
    try:
        return tomllib.loads(f"value = {told}")["value"]
    except tomllib.TOMLDecodeError:
        return told


def _tables(which: str, depth: int) -> dict[str, Any]:
    path = FOLDER / f"{which}.toml"
    if which not in names():
        path = Path(which)
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = ", ".join(names())
        raise ScenarioError(f"{which}: {error}; known by name: {known}") from None
    like, changes = said.pop("like", None), said.pop("set", {})
    if like is not None:
        if not depth:
            raise ScenarioError(f"{which}: like: {like!r} builds on itself")
        beside = path.parent / str(like)
        told = str(beside) if beside.is_file() else str(like)
        said = {**_tables(told, depth - 1), **said}
    if not isinstance(changes, dict):
        raise ScenarioError(f"{which}: set: {changes!r} is not a table")
    _change(said, changes, which)
    _place_traces(said, path.parent)
    return said


def _change(tables: dict[str, Any], changes: Mapping[str, Any], which: str) -> None:
    for name, value in changes.items():
        *way, last = name.split(".")
        spot: Any = tables
        try:
            for step in way:
                spot = spot[int(step)] if isinstance(spot, list) else spot.setdefault(step, {})
            spot[int(last) if isinstance(spot, list) else last] = deepcopy(value)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise ScenarioError(f"{which}: set: there is no {name!r} to change") from None


def _place_traces(tables: Mapping[str, Any], folder: Path) -> None:
    traffic = tables.get("traffic")
    for each in traffic if isinstance(traffic, list) else ():
        arrivals = each.get("arrivals") if isinstance(each, dict) else None
        file = arrivals.get("file") if isinstance(arrivals, dict) else None
        if isinstance(arrivals, dict) and isinstance(file, str):
            arrivals["file"] = str(folder / file)


def _line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("value_error", "missing") or not isinstance(
        first["input"], int | float | str
    ):
        return f"{name}: {message}" if name else message
    return f"{name}: {first['input']!r}: {message}"

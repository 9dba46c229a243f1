"""Shows a run: as tables for people, as JSON for programs. Knows nothing about plots."""

import json
import math
import sys

from rich.console import Console
from rich.table import Table

from tidegate.balancer.core.call import QUEUES
from tidegate.balancer.simulation.figures import HOUR_S
from tidegate.balancer.simulation.gate import Judgement, Standing
from tidegate.balancer.simulation.result import Result as Run
from tidegate.balancer.simulation.scaling import Decision
from tidegate.balancer.simulation.visit import Result

MOST_PLANS = 24
"""Of more, the first and the last are shown; --json has them all."""
_COLOURS = {Standing.MET: "green", Standing.FLOOR: "yellow", Standing.MISSED: "red"}


def show(run: Run, found: dict[str, float], judged: list[Judgement], repeat: str) -> None:
    """Print the story, the lanes, the books and the gates; `repeat` is the command to repeat it."""
    console = Console(file=sys.stdout)
    console.print(f"[bold]{run.scenario.title}[/bold]", highlight=False)
    if run.scenario.story:
        console.print(run.scenario.story, highlight=False)
    console.print(_lanes(found))
    console.print(_books(found))
    if run.scaling is not None:
        console.print(_plans(run.scaling.decisions))
    if judged:
        console.print(_gates(judged))
    for sidecar in run.sidecars:
        for violation in sidecar.witness.violations:
            console.print(f"violated: {violation}", style="red", highlight=False, markup=False)
    console.print(f"repeat: {repeat}", style="dim", highlight=False, markup=False, soft_wrap=True)


def as_json(run: Run, found: dict[str, float], judged: list[Judgement], repeat: str) -> str:
    """All of it as one JSON object; figures that were not measured are null."""
    return json.dumps(
        {
            "title": run.scenario.title,
            "seed": run.seed,
            "repeat": repeat,
            "figures": {name: _number(value) for name, value in found.items()},
            "plans": [
                {
                    "at_s": _number(each.at_s),
                    "role": each.plan.role.value,
                    "was": each.plan.was,
                    "count": each.plan.count,
                    "reason": each.plan.reason,
                }
                for each in (run.scaling.decisions if run.scaling is not None else ())
            ],
            "gates": [
                {
                    "gate": str(each.gate),
                    "value": _number(each.value),
                    "standing": each.standing.value,
                }
                for each in judged
            ],
        },
        indent=2,
    )


def _plans(decisions: list[Decision]) -> Table:
    """The first and the last plans, which say why each was made."""
    table = Table("at", "role", "plan")
    half = MOST_PLANS // 2
    shown = decisions if len(decisions) <= MOST_PLANS else decisions[:half]
    for each in shown:
        table.add_row(_moment(each.at_s), each.plan.role.value, each.plan.reason)
    if len(decisions) > MOST_PLANS:
        table.add_row("", "", f"and {len(decisions) - MOST_PLANS} more")
        for each in decisions[-half:]:
            table.add_row(_moment(each.at_s), each.plan.role.value, each.plan.reason)
    return table


def _moment(at_s: float) -> str:
    """Time since the start: "1 d 08:59:43", or seconds within the first hour."""
    if at_s < HOUR_S:
        return f"{at_s:.1f} s"
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02}:{minutes:02}:{seconds:02}"


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _lanes(found: dict[str, float]) -> Table:
    table = Table("", *(lane.value for lane in QUEUES))
    for name in ("offered", *(result.value for result in Result)):
        table.add_row(name, *(f"{found[f'{lane.value}_{name}']:.0f}" for lane in QUEUES))
    table.add_row("goodput, slot-s/s", *(_text(found[f"{lane.value}_goodput"]) for lane in QUEUES))
    for name in ("wait_p50", "wait_p99", "p50", "p95", "p99", "slowest"):
        values = (_text(found[f"{lane.value}_{name}_s"]) for lane in QUEUES)
        table.add_row(f"{name.replace('_', ' ')}, s", *values)
    return table


def _books(found: dict[str, float]) -> Table:
    table = Table("over all", "value", show_header=False)
    lanes = tuple(f"{lane.value}_" for lane in QUEUES)
    for name, value in found.items():
        is_of_all = name.startswith("chat_share") or not name.startswith(lanes)
        if is_of_all and not math.isnan(value):
            table.add_row(name.replace("_", " "), _text(value))
    return table


def _gates(judged: list[Judgement]) -> Table:
    table = Table("gate", "measured", "floor", "stands")
    for each in judged:
        colour = _COLOURS[each.standing]
        floor = "" if each.gate.floor is None else _text(each.gate.floor)
        stands = f"[{colour}]{each.standing.value}[/{colour}]"
        table.add_row(str(each.gate), _text(each.value), floor, stands)
    return table


def _text(value: float, unit: str = "") -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4g}{unit}"

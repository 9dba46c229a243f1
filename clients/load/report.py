"""Puts what became of a load into words: fields for programs, tables and sentences for people.

Knows nothing about how a load is put.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table

from tidegate.clients.fleet import FleetStatus
from tidegate.clients.load.drive import MOST_CPU, MOST_LATE, Outcome
from tidegate.clients.load.plan import Plan
from tidegate.clients.load.tally import End, LaneTally, percentiles
from tidegate.clients.words import told

_BARS = " ▁▂▃▄▅▆▇█"
_SHOWN_S = 60


def fields(
    plan: Plan, outcome: Outcome, balancer: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Everything, as JSON. `balancer`: what it counted meanwhile, by lane; empty where it doesn't tell."""
    lasts_s = max(plan.lasts_s, 1e-9)
    return {
        "address": plan.address,
        "lasts_s": plan.lasts_s,
        "offered_per_s": outcome.made / lasts_s,
        "lanes": {lane: _lane(tally, lasts_s) for lane, tally in outcome.lanes.items()},
        "tool": {
            "processes": plan.processes,
            "late": outcome.late,
            "late_share": outcome.late / max(outcome.made, 1),
            "lag_s": percentiles(outcome.lags),
            "busiest_cpu": outcome.cpu,
            "is_limit": outcome.is_limit,
        },
        "balancer": {lane: dict(counts) for lane, counts in balancer.items()},
    }


def counted(before: FleetStatus, after: FleetStatus) -> dict[str, dict[str, int]]:
    """What a balancer counted between two snapshots, by lane; that of other callers is in it."""
    earlier = {lane.lane: lane.counts for lane in before.lanes}
    names = ("offered", "full", "degraded", "shed", "expired", "cancelled", "failed")
    return {
        lane.lane: {
            name: getattr(lane.counts, name) - getattr(earlier.get(lane.lane), name, 0)
            for name in names
        }
        for lane in after.lanes
    }


def page(plan: Plan, outcome: Outcome) -> Group:
    """What a person sees, while it runs and at its end."""
    lasts_s = min(max(outcome.at_s, 1e-9), plan.lasts_s)
    head = told(
        "{at} s of {all} s at {address}, {rate} calls/s offered",
        at=f"{lasts_s:.0f}",
        all=f"{plan.lasts_s:.0f}",
        address=plan.address,
        rate=f"{outcome.made / max(lasts_s, 1e-9):.1f}",
    )
    return Group(
        head, _table(outcome, lasts_s), *_curves(outcome), *_reasons(outcome), *verdict(outcome)
    )


def line(plan: Plan, outcome: Outcome) -> str:
    """The same on one line, for a file."""
    lanes = (
        f"{lane}: {tally.offered} offered, "
        + ", ".join(f"{tally.ends[end.value]} {end.value}" for end in End)
        for lane, tally in outcome.lanes.items()
    )
    return f"{min(outcome.at_s, plan.lasts_s):.0f} s | {' | '.join(lanes)} | {outcome.late} late"


def verdict(outcome: Outcome) -> list[str]:
    """How well the load was put, and the warning where its figures are the tool's own."""
    late = told(
        "late sends: {late} of {made} ({share}), busiest process {cpu} of a core",
        late=outcome.late,
        made=outcome.made,
        share=f"{outcome.late / max(outcome.made, 1):.2%}",
        cpu=f"{outcome.cpu:.0%}",
    )
    if not outcome.is_limit:
        return [late]
    warning = told(
        "THE LOAD TOOL WAS THE LIMIT: above {late} late or {cpu} of a core its figures are its own; "
        "give it more --processes, another machine, or less to do",
        late=f"{MOST_LATE:.0%}",
        cpu=f"{MOST_CPU:.0%}",
    )
    return [late, warning]


def _lane(tally: LaneTally, lasts_s: float) -> dict[str, Any]:
    return {
        "offered": tally.offered,
        **{end.value: tally.ends[end.value] for end in End},
        "reasons": dict(tally.reasons),
        "goodput_per_s": tally.ends[End.FULL.value] / lasts_s,
        "answered_s": percentiles(tally.answered_s),
        "first_s": percentiles(tally.first_s),
        "refused_s": percentiles(tally.refused_s),
    }


def _table(outcome: Outcome, lasts_s: float) -> Table:
    heads = ("lane", "offered", *(end.value for end in End), "goodput", "p50", "p95", "p99")
    first = ("first p50", "first p95")
    table = Table(*(told(head) for head in (*heads, *first)), box=box.SIMPLE_HEAD)
    for lane, tally in outcome.lanes.items():
        if not tally.offered:
            continue
        took, begun = percentiles(tally.answered_s), percentiles(tally.first_s)
        table.add_row(
            lane,
            str(tally.offered),
            *(str(tally.ends[end.value]) for end in End),
            f"{tally.ends[End.FULL.value] / lasts_s:.1f}/s",
            *(_seconds(took.get(each)) for each in ("p50", "p95", "p99")),
            *(_seconds(begun.get(each)) for each in ("p50", "p95")),
        )
    return table


def _curves(outcome: Outcome) -> list[str]:
    """The last minute, a character a second: what was offered, and what was answered in full."""
    last = int(outcome.at_s)
    seconds = range(max(0, last - _SHOWN_S), last)
    curves = {
        name: [sum(outcome.in_second(lane, s)[name] for lane in outcome.lanes) for s in seconds]
        for name in ("offered", "full")
    }
    most = max((max(curve, default=0) for curve in curves.values()), default=0) or 1
    return [
        f"{told(name):<10}{''.join(_BARS[round(8 * value / most)] for value in curve)}"
        for name, curve in curves.items()
    ]


def _reasons(outcome: Outcome) -> list[str]:
    return [
        f"{lane}: "
        + ", ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common())
        for lane, tally in outcome.lanes.items()
        if tally.reasons
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.0f} ms" if value < 10 else f"{value:.1f} s"

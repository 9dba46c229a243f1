"""`tidegate status`: what the balancer knows of its instances and lanes, as two tables.

Knows nothing about the wire.
"""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.failure import reported
from tidegate.clients.commands.output import fields_of, write_json
from tidegate.clients.fleet import FleetStatus, InstanceStatus, LaneStatus

# Wide enough for any row: a file or a pipe has no edge to fold lines at.
_PIPE_COLUMNS = 240


def status(
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Show the instances and lanes.

    Of each instance: its phase, its role, and per lane the calls in flight of its slots. Of
    each lane: the calls that wait, for how long, and how all others ended.
    """
    with reported(address), Client(address) as client:
        fleet = client.status(timeout_s=timeout)
        if as_json:
            write_json(fields_of(fleet))
            return
        console = Console(
            file=sys.stdout,
            highlight=False,
            markup=False,
            width=None if sys.stdout.isatty() else _PIPE_COLUMNS,
        )
        console.print(f"balancer {fleet.version} at {address}, discovery: {fleet.discovery}")
        if fleet.worker:
            console.print(
                f"as seen by worker {fleet.worker}; the others' calls are not counted here"
            )
        console.print(_instances(fleet))
        console.print(_lanes(fleet))


def _instances(fleet: FleetStatus) -> Table:
    table = Table(
        "instance", "address", "phase", "role", "sentiment", "chat", "model", box=box.SIMPLE_HEAD
    )
    for each in fleet.instances:
        table.add_row(
            each.id,
            each.address,
            each.phase.value,
            each.role.value,
            _in_flight(each, "sentiment"),
            _in_flight(each, "chat"),
            each.model or "?",
        )
    if not fleet.instances:
        table.add_row("none")
    return table


def _in_flight(instance: InstanceStatus, lane: str) -> str:
    """Calls in flight of slots, or a dash where the instance has no part in the lane."""
    for load in instance.lanes:
        if load.lane == lane:
            return f"{load.in_flight}/{load.slots}"
    return "-"


def _lanes(fleet: FleetStatus) -> Table:
    table = Table(
        "lane",
        "waiting",
        "est. wait",
        "offered",
        "full",
        "degraded",
        "shed",
        "expired",
        "cancelled",
        "failed",
        box=box.SIMPLE_HEAD,
    )
    for lane in fleet.lanes:
        table.add_row(*_cells(lane))
    return table


def _cells(lane: LaneStatus) -> tuple[str, ...]:
    counts = lane.counts
    reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(lane.shed_by_reason.items()))
    return (
        lane.lane,
        str(lane.depth),
        f"{lane.estimated_wait_s:.1f} s",
        str(counts.offered),
        str(counts.full),
        str(counts.degraded),
        f"{counts.shed} ({reasons})" if reasons else str(counts.shed),
        str(counts.expired),
        str(counts.cancelled),
        str(counts.failed),
    )

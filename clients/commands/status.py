"""`tidegate status`: what the balancer knows of its instances and lanes, once or as it changes.

Knows nothing about the wire.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Annotated

import typer
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.failure import line_of
from tidegate.clients.commands.output import (
    PIPE_COLUMNS,
    fields_of,
    harmless,
    harmless_fields,
    write,
    write_json,
)
from tidegate.clients.errors import Unavailable
from tidegate.clients.fleet import FleetStatus, InstanceStatus, LaneStatus
from tidegate.clients.words import told

DECISIONS_SHOWN = 5

# How soon a balancer that went away is asked again.
AGAIN_S = 2.0


def status(
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing what changes, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the instances and lanes.

    Of each instance: its phase, its role, and per lane the calls in flight of its slots. Of
    each lane: the calls that wait, for how long, and how all others ended.

    Where the balancer starts and stops instances: how many of each role, how long a start
    takes, and the last decisions with their reasons.

    With --watch a terminal shows the tables as they change, and waits for a balancer that goes away; a file or a pipe gets a line a change, and the
    end of the balancer is its end (4).
    """
    with calling(address) as client:
        if watch and sys.stdout.isatty() and not as_json:
            _follow(client, address, timeout)
            return
        if watch:
            with closing(client.watch_status(timeout_s=timeout)) as snapshots:
                _show(snapshots, as_json=as_json)
            return
        fleet = client.status(timeout_s=timeout)
        if as_json:
            write_json(fields_of(fleet))
            return
        _console().print(_page(fleet, address))


def _follow(client: Client, address: str, timeout_s: float | None) -> None:
    """The tables as they change; what was there last, and why there is nothing newer, while nobody answers."""
    page: Group | None = None
    with Live(console=_console(), auto_refresh=False) as live:

        def show(fleet: FleetStatus) -> None:
            nonlocal page
            page = _page(fleet, address)
            live.update(page, refresh=True)

        while (lost := _watched(client, timeout_s, show)) is not None:
            if page is None:
                raise lost
            why = harmless(line_of(lost, address))
            line = told("{why}; going on in {seconds} s", why=why, seconds=f"{AGAIN_S:.0f}")
            live.update(Group(page, line), refresh=True)
            time.sleep(AGAIN_S)


def _watched(
    client: Client, timeout_s: float | None, show: Callable[[FleetStatus], None]
) -> Unavailable | None:
    """Show each snapshot of one watch; what it was lost to, None when it came to its end."""
    try:
        with closing(client.watch_status(timeout_s=timeout_s)) as snapshots:
            for fleet in snapshots:
                show(fleet)
    except Unavailable as error:
        return error
    return None


def _show(snapshots: Iterable[FleetStatus], *, as_json: bool) -> None:
    """Each snapshot in its turn, until there are no more."""
    if as_json:
        for fleet in snapshots:
            write_json(fields_of(fleet))
    else:
        said = ""
        for fleet in snapshots:
            # A snapshot also comes when nothing has changed, as a sign of life.
            line = _line(fleet)
            if line != said:
                said = line
                write(f"{line}\n")


def _console() -> Console:
    return Console(
        file=sys.stdout,
        highlight=False,
        markup=False,
        width=None if sys.stdout.isatty() else PIPE_COLUMNS,
    )


def _page(told_of: FleetStatus, address: str) -> Group:
    fleet = harmless_fields(told_of)
    head = [
        told(
            "balancer {version} at {address}, discovery: {discovery}",
            version=fleet.version,
            address=address,
            discovery=fleet.discovery,
        )
    ]
    if fleet.worker:
        head.append(
            told(
                "as seen by worker {worker}; the others' calls are not counted here",
                worker=fleet.worker,
            )
        )
    return Group(*head, _instances(fleet), _lanes(fleet), *_scales(fleet))


def _line(fleet: FleetStatus) -> str:
    """The phases and the lanes on one line: `a hot, b warming | chat: 2 waiting, 5 full, 1 shed`."""
    instances = ", ".join(f"{each.id} {each.phase.value}" for each in fleet.instances)
    lanes = (
        f"{each.lane}: {each.depth} waiting, {each.counts.full} full, "
        f"{each.counts.degraded} degraded, {each.counts.shed} shed"
        for each in fleet.lanes
    )
    scales = (
        f"{each.role.value}: {each.launched} launched"
        + (f" ({each.decisions[0].reason})" if each.decisions else "")
        for each in fleet.scales
    )
    return " | ".join((instances or "no instance", *lanes, *scales))


def _instances(fleet: FleetStatus) -> Table:
    heads = ("instance", "address", "phase", "role", "sentiment", "chat", "model")
    table = Table(*map(told, heads), box=box.SIMPLE_HEAD)
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
        table.add_row(told("none"))
    return table


def _in_flight(instance: InstanceStatus, lane: str) -> str:
    """Calls in flight of slots, or a dash where the instance has no part in the lane."""
    for load in instance.lanes:
        if load.lane == lane:
            return f"{load.in_flight}/{load.slots}"
    return "-"


def _lanes(fleet: FleetStatus) -> Table:
    ends = ("full", "degraded", "shed", "expired", "cancelled", "failed")
    heads = ("lane", "waiting", "est. wait", "offered", *ends)
    table = Table(*map(told, heads), box=box.SIMPLE_HEAD)
    for lane in fleet.lanes:
        table.add_row(*_cells(lane))
    return table


def _scales(fleet: FleetStatus) -> list[Table | str]:
    """What is started and stopped, and the last decisions about it; nothing where nothing is."""
    if not fleet.scales:
        return []
    heads = ("scale", "launched", "minimum", "maximum", "pinned", "warm-up")
    table = Table(*map(told, heads), box=box.SIMPLE_HEAD)
    for each in fleet.scales:
        table.add_row(
            each.role.value,
            str(each.launched),
            str(each.minimum),
            str(each.maximum),
            str(each.pinned) if each.pinned else "-",
            f"{each.warm_up_s:.1f} s",
        )
    if not fleet.is_leading:
        return [
            table,
            told("another balancer of this fleet starts and stops; it tells the decisions"),
        ]
    latest = [(each.role, decision) for each in fleet.scales for decision in each.decisions]
    latest.sort(key=lambda pair: pair[1].at, reverse=True)
    lines = [
        f"  {decision.at.astimezone():%H:%M:%S} {role.value}: {decision.reason}"
        for role, decision in latest[:DECISIONS_SHOWN]
    ]
    return [table, *lines]


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

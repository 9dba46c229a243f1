"""`tidegate fleet`: what an operator asks of the balancer's instances.

Knows nothing about the wire.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.output import fields_of, write, write_json
from tidegate.clients.fleet import Role, ScaleStatus
from tidegate.clients.words import told

fleet = typer.Typer(
    name="fleet",
    help="Ask something of the balancer's instances.",
    epilog=options.EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Scaled(str, Enum):
    """The roles that a person can name."""

    BOTH = "both"
    SENTIMENT = "sentiment"
    CHAT = "chat"


OfRole = Annotated[Scaled, typer.Option("--role", help="Of which role.")]


@fleet.command(epilog=options.EPILOG)
def drain(
    instance: Annotated[str, typer.Argument(help="Its id, as `tidegate status` shows it.")],
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Send nothing more to an instance; what it has, it finishes.

    Only the balancer at the address hears of it. The instance goes on running and gets calls again
    once it has left discovery and come back, for example by being started anew.
    """
    with calling(address) as client:
        drained = client.drain(instance, timeout_s=timeout)
        if as_json:
            write_json(fields_of(drained))
        else:
            line = told(
                "{id}: {phase}, {count} in flight",
                id=drained.id,
                phase=drained.phase.value,
                count=drained.in_flight,
            )
            write(f"{line}\n")


@fleet.command(epilog=options.EPILOG)
def warm(
    count: Annotated[int, typer.Argument(min=1, help="How many are to be hot.")],
    role: OfRole = Scaled.BOTH,
    for_s: Annotated[
        int, typer.Option("--for", min=1, metavar="SECONDS", help="For how long, from now.")
    ] = 3600,
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Have at least so many instances hot for a while, for a peak that you foresee.

    What is missing is started at once; what is there already, permanent ones included, counts.
    """
    with calling(address) as client:
        _tell(client.warm(count, role=Role(role.value), for_s=for_s, timeout_s=timeout), as_json)


@fleet.command(epilog=options.EPILOG)
def pin(
    count: Annotated[int, typer.Argument(min=0, help="How many are to be hot; 0 lets go.")],
    role: OfRole = Scaled.BOTH,
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Have at least so many instances hot until you let go.

    A later pin of the role replaces it.
    """
    with calling(address) as client:
        _tell(client.pin(count, role=Role(role.value), timeout_s=timeout), as_json)


def _tell(scale: ScaleStatus, as_json: bool) -> None:
    if as_json:
        write_json(fields_of(scale))
        return
    line = told(
        "{role}: {count} of {most} launched",
        role=scale.role.value,
        count=scale.launched,
        most=scale.maximum,
    )
    pinned = told(", pinned to {count}", count=scale.pinned) if scale.pinned else ""
    write(f"{line}{pinned}\n")

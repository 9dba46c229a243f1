"""`tidegate fleet`: what an operator asks of the balancer's instances.

Knows nothing about the wire.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.output import fields_of, write, write_json

fleet = typer.Typer(
    name="fleet",
    help="Ask something of the balancer's instances.",
    epilog=options.EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@fleet.callback()
def _fleet() -> None:
    """Keeps `drain` a command of its own while it is the only one."""


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
            write(f"{drained.id}: {drained.phase.value}, {drained.in_flight} in flight\n")

"""`tidegate health`: says by its exit code whether a server or a balancer serves.

Knows nothing about the wire.
"""

from __future__ import annotations

from typing import Annotated

import grpc
import typer

from tidegate.clients.commands import options
from tidegate.clients.commands.connection import asked_tls
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.output import write, write_json
from tidegate.clients.health import SERVING, ask_health
from tidegate.clients.patience import LONGEST_S
from tidegate.clients.words import told


def health(
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="A server or a balancer.")
    ] = options.DEFAULT_ADDRESS,
    service: Annotated[
        str,
        typer.Option(
            "--service",
            metavar="NAME",
            help="One service of it, like tidegate.v1.Chat. [default: the whole]",
        ),
    ] = "",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            metavar="SECONDS",
            min=0.001,
            max=LONGEST_S,
            help="How long to wait for an answer.",
        ),
    ] = 3.0,
    as_json: options.Json = False,
) -> None:
    """Exit with 0 while it serves and with 1 otherwise, as a container's health check expects.

    A server that still warms up or already drains doesn't serve; a balancer serves while any
    instance is hot.
    """
    try:
        status = ask_health(address, service, timeout, asked_tls())
    except OSError as error:
        say(f"tidegate: {error}")
        raise typer.Exit(ExitCode.INPUT) from None
    except grpc.RpcError as error:
        words = " ".join(str(error.details()).split())
        line = told("nobody answers at {address} ({words})", address=address, words=words)
        say(f"tidegate: {line}")
        raise typer.Exit(ExitCode.FAILURE) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        write_json({"address": address, "service": service, "status": status})
    else:
        write(f"{status}\n")
    if status != SERVING:
        raise typer.Exit(ExitCode.FAILURE)

"""The `tidegate` command: puts the commands together and says what they have in common.

Knows nothing about what any of them does.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from tidegate.clients import tracing
from tidegate.clients.commands import connection, options
from tidegate.clients.commands.bench import bench
from tidegate.clients.commands.chat import chat
from tidegate.clients.commands.classify import classify
from tidegate.clients.commands.doctor import doctor
from tidegate.clients.commands.failure import ExitCode
from tidegate.clients.commands.fleet import fleet
from tidegate.clients.commands.health import health
from tidegate.clients.commands.judge import judge
from tidegate.clients.commands.load import load
from tidegate.clients.commands.profiles import profiles
from tidegate.clients.commands.status import status
from tidegate.clients.commands.token import token as token_commands
from tidegate.clients.commands.up import up
from tidegate.clients.commands.web import web

app = typer.Typer(
    name="tidegate",
    help="Labels and replies from one small model on CPUs, behind a balancer.",
    epilog=options.EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (classify, chat, judge, status, up, web, bench, load, doctor):
    app.command(epilog=options.EPILOG)(command)
app.command()(health)
app.add_typer(fleet)
app.add_typer(profiles)
app.add_typer(token_commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


@app.callback()
def tidegate(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the release."),
    ] = False,
    tls: connection.TlsSwitch = False,
    tls_ca: connection.Ca = None,
    tls_cert: connection.Cert = None,
    tls_key: connection.Key = None,
    tls_server_name: connection.ServerName = None,
    token: connection.Token = None,
    traces_to: connection.TracesTo = None,
) -> None:
    """Labels and replies from one small model on CPUs, behind a balancer that sheds load."""
    try:
        connection.secure(tls, tls_ca, tls_cert, tls_key, tls_server_name, token)
        if traces_to is not None:
            tracing.export_to(traces_to, version("tidegate"))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except tracing.TracingMissingError as error:
        raise typer.BadParameter(f"--traces-to {error}") from None


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A stream that the shell has closed is as good as one that nobody uses.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    # A terminal that can't show a character gets a question mark, not a traceback.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    exit_code: int | str | None = ExitCode.INTERRUPTED
    with suppress(KeyboardInterrupt):
        try:
            app()
        except SystemExit as ending:
            exit_code = ending.code
        tracing.send_the_rest()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Not by Python's own way out: a thread of gRPC's that is stopped on it may hold a lock that
    # Python then waits for, and never gets.
    os._exit(exit_code if isinstance(exit_code, int) else ExitCode.OK)


if __name__ == "__main__":
    main()

"""`tidegate token`: makes tokens for callers, and takes them back.

Works on the file that a balancer or a server reads (its setting `tokens`); no service has to run. Knows nothing about
what a caller may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.output import write
from tidegate.clients.token_file import TokenFile
from tidegate.clients.words import told
from tidegate.identity.problem import IdentityError

token = typer.Typer(
    name="token",
    help="Make tokens for callers, and take them back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="The caller's name, as in [callers.NAME].")]
File = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        envvar="TIDEGATE_TOKENS",
        metavar="FILE",
        dir_okay=False,
        help="The file of hashed tokens.",
    ),
]
DEFAULT_FILE = Path("tokens")


@token.command()
def new(
    name: Name,
    file: File = DEFAULT_FILE,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help="How long it lasts. [default: for ever]"),
    ] = None,
) -> None:
    """Make a token and print it, this once: the file gets its hash alone.

    A caller may have several, so that one can be replaced before it is taken back. Balancers and servers that read the
    file take it up within a second.
    """
    now = datetime.now(timezone.utc)
    with _reported():
        made = TokenFile(file).add(name, None if days is None else now + timedelta(days=days))
    write(f"{made}\n")
    say(told("its hash is in {file}; the token itself is kept nowhere", file=file))


@token.command("list")
def list_tokens(file: File = DEFAULT_FILE) -> None:
    """Tell whose tokens there are: name, the first digits of the hash, and until when."""
    with _reported():
        lines = TokenFile(file).lines()
    for line in lines:
        until = "" if line.expires is None else f"  {line.expires:%Y-%m-%dT%H:%M:%SZ}"
        write(f"{line.name}  {line.id}{until}\n")


@token.command()
def revoke(
    name: Name,
    file: File = DEFAULT_FILE,
    only: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="DIGITS", help="Only the one of these digits, as `list` shows them."
        ),
    ] = None,
) -> None:
    """Take back a caller's tokens; they count no more within a second."""
    with _reported():
        gone = TokenFile(file).take_out(
            lambda line: line.name == name and (only is None or line.id == only)
        )
    if not gone:
        say(f"tidegate: {told('{file} holds no such token of {name}', file=file, name=name)}")
        raise typer.Exit(ExitCode.INPUT)
    for line in gone:
        write(f"{line.name}  {line.id}\n")


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except (IdentityError, OSError, UnicodeDecodeError) as error:
        say(f"tidegate: {error}")
        raise typer.Exit(ExitCode.INPUT) from None

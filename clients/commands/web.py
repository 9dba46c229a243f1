"""`tidegate web`: the page in a browser, for a balancer that runs already.

Knows nothing about how it is served (web.serving), and works out what is missing before it starts.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tidegate.clients.commands import options
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.local.plan import DEFAULT_WEB_PORT, missing_web_extra
from tidegate.clients.words import told


def web(
    address: options.Address = options.DEFAULT_ADDRESS,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Where to listen. The page asks for no password: see docs/web.md."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The page's port; 0 takes a free one.")
    ] = DEFAULT_WEB_PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A host name under which browsers may come, beside localhost and addresses; "
            "can be given several times.",
        ),
    ] = None,
) -> None:
    """Serve the web page.

    One input, the label, and the reply below it as it is written; beside it a view of the fleet. Runs
    until Ctrl-C or SIGTERM; replies that are being written may end, a second Ctrl-C ends them.
    """
    extra = missing_web_extra()
    if extra is not None:
        hint = f'python -m pip install "{extra}"'
        _tell(told("the web page is not installed: {hint}", hint=hint))
        raise typer.Exit(ExitCode.FAILURE)
    from tidegate.clients.web.serving import serve

    shown = f"[{host}]" if ":" in host else host
    try:
        asyncio.run(
            serve(
                address,
                host,
                port,
                allow_host or (),
                _tell,
                lambda taken: _tell(
                    told(
                        "{url} shows the balancer at {address}",
                        url=f"http://{shown}:{taken}/",
                        address=address,
                    )
                ),
            )
        )
    except OSError as error:
        where, why = f"{shown}:{port}", error.strerror
        _tell(told("can't listen at {where}: {why}; --port takes another", where=where, why=why))
        raise typer.Exit(ExitCode.FAILURE) from None


def _tell(line: str) -> None:
    say(f"tidegate web: {line}")

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
        _tell(f'the web page is not installed: python -m pip install "{extra}"')
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
                lambda taken: _tell(f"http://{shown}:{taken}/ shows the balancer at {address}"),
            )
        )
    except OSError as error:
        _tell(f"can't listen at {shown}:{port}: {error.strerror}; --port takes another")
        raise typer.Exit(ExitCode.FAILURE) from None


def _tell(line: str) -> None:
    say(f"tidegate web: {line}")

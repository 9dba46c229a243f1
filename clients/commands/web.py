"""`tidegate web`: the page in a browser, for a balancer that runs already.

Knows nothing about how it is served (web.serving), and works out what is missing before it starts.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tidegate.clients.commands import options
from tidegate.clients.commands.connection import asked_tls, token
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.local.plan import DEFAULT_WEB_PORT, missing_web_extra
from tidegate.clients.words import told
from tidegate.identity.entrance import lacking
from tidegate.identity.exposure import is_loopback
from tidegate.identity.listening import ListeningTls
from tidegate.identity.problem import IdentityError

_NEEDS = (("--page-key", "--page-cert"), ("--page-client-ca", "--page-cert"))


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
    page_cert: Annotated[
        Path | None,
        typer.Option(
            "--page-cert",
            metavar="FILE",
            help="PEM file of the page's certificate: browsers come by https. Read anew when it changes.",
        ),
    ] = None,
    page_key: Annotated[
        Path | None, typer.Option("--page-key", metavar="FILE", help="PEM file of its key.")
    ] = None,
    page_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--page-client-ca",
            metavar="FILE",
            help="PEM file of those who may sign browsers' certificates; without one nobody gets in.",
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
    from tidegate.clients.web.serving import Security, serve

    # What is told of files that change; answers alone go to stdout.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        page = _page_tls(page_cert, page_key, page_client_ca)
    except IdentityError as error:
        _tell(str(error))
        raise typer.Exit(ExitCode.INPUT) from None
    if page_client_ca is None and not is_loopback(host):
        _tell(f"whoever reaches {host} can use the page; --page-client-ca asks for a certificate")
    scheme = "http" if page is None else "https"
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
                        url=f"{scheme}://{shown}:{taken}/",
                        address=address,
                    )
                ),
                Security(page, asked_tls(), token()),
            )
        )
    except ValueError as error:
        _tell(str(error))
        raise typer.Exit(ExitCode.INPUT) from None
    except OSError as error:
        where, why = f"{shown}:{port}", error.strerror
        _tell(told("can't listen at {where}: {why}; --port takes another", where=where, why=why))
        raise typer.Exit(ExitCode.FAILURE) from None


def _page_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ListeningTls | None:
    """TLS of the page. Raises IdentityError for files that can't be used."""
    given = {"--page-cert": cert, "--page-key": key, "--page-client-ca": client_ca}
    for problem in lacking(given, _NEEDS):
        raise IdentityError(problem)
    return None if cert is None else ListeningTls(cert, key, client_ca, "page")


def _tell(line: str) -> None:
    say(f"tidegate web: {line}")

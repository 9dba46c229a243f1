"""Makes the client that a command calls with, by the options that stand before the command's name.

Knows nothing about what is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from tidegate.clients.client import Client
from tidegate.clients.commands.failure import ExitCode, reported, say
from tidegate.clients.tls import Tls

TlsSwitch = Annotated[
    bool,
    typer.Option("--tls", envvar="TIDEGATE_TLS", help="Speak TLS; so does each of the next four."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        envvar="TIDEGATE_TLS_CA",
        metavar="FILE",
        help="PEM file of those who may sign the balancer's certificate.",
    ),
]
Cert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="TIDEGATE_TLS_CERT",
        metavar="FILE",
        help="PEM file of our certificate.",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--tls-key", envvar="TIDEGATE_TLS_KEY", metavar="FILE", help="PEM file of its key."
    ),
]
ServerName = Annotated[
    str | None,
    typer.Option(
        "--tls-server-name",
        envvar="TIDEGATE_TLS_SERVER_NAME",
        metavar="NAME",
        help="The name in the balancer's certificate, where it is not the one we call.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="TIDEGATE_TOKEN",
        metavar="TOKEN",
        help="Sent with every call as `authorization: Bearer`. Better in the environment, where no "
        "list of processes shows it.",
    ),
]

TracesTo = Annotated[
    str | None,
    typer.Option(
        "--traces-to",
        envvar="TIDEGATE_TRACES_TO",
        metavar="URL",
        help="An OpenTelemetry collector that takes traces by OTLP over gRPC, like http://127.0.0.1:4317.",
    ),
]


@dataclass(frozen=True, slots=True)
class Security:
    """How every call of one command is secured."""

    tls: Tls | None = None
    token: str | None = field(default=None, repr=False)


_NONE = Security()
_asked: ContextVar[Security] = ContextVar("security", default=_NONE)


def secure(
    switch: bool,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str | None,
    secret: str | None,
) -> None:
    """Have the calls of this command secured as the options ask. Raises ValueError for what doesn't fit together."""
    wants_tls = switch or ca or cert or key or server_name
    _asked.set(Security(Tls(ca, cert, key, server_name) if wants_tls else None, secret))


def token() -> str | None:
    """The token that every call of this command carries."""
    return _asked.get().token


def asked_tls() -> Tls | None:
    """How every call of this command is encrypted; None: not."""
    return _asked.get().tls


def tls_paths() -> dict[str, str | None] | None:
    """The TLS options of this command, for processes that it starts; None without TLS."""
    tls = _asked.get().tls
    if tls is None:
        return None
    files = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
    return {
        **{name: None if each is None else str(each) for name, each in files.items()},
        "server_name": tls.server_name,
    }


@contextmanager
def calling(address: str, attempts: int = 3) -> Iterator[Client]:
    """A client for host:port; an error of the block ends the command as `reported` says."""
    asked = _asked.get()
    with reported(address):
        try:
            client = Client(address, attempts=attempts, tls=asked.tls, token=asked.token)
            client.connect()
        except (ValueError, OSError) as error:
            say(f"tidegate: {error}")
            raise typer.Exit(ExitCode.INPUT) from None
        with client:
            yield client

"""The options that all calling commands share, said once.

Knows nothing about what a command does with them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.clients.patience import LONGEST_S

DEFAULT_ADDRESS = "localhost:50051"

Address = Annotated[
    str,
    typer.Option(
        "--address",
        "-a",
        envvar="TIDEGATE_ADDRESS",
        metavar="HOST:PORT",
        help="The balancer; several are IP:PORT,IP:PORT or dns:///NAME:PORT.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object per answer, on one line, instead of words.")
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help="The prompt profile to answer with."),
]
SystemPrompt = Annotated[
    str | None,
    typer.Option(
        "--system-prompt", metavar="TEXT", help="Replaces the profile's system prompt once."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        "-t",
        metavar="SECONDS",
        min=0.001,
        max=LONGEST_S,
        help="How long a call may take in all, waiting and retries included. [default: 60]",
    ),
]

EPILOG = (
    "Exit codes: 0 answered; 1 failed; 2 wrong usage or refused input; 3 overloaded, with a hint "
    "when to come back; 4 nobody there; 130 interrupted. Answers go to stdout, all else to stderr."
)

"""`tidegate profiles`: which there are, whether files keep the rules, and what one makes of a few texts.

Knows nothing about the rules: they are the server's, whose own command is started to check them, as `tidegate up` starts
its servers. That needs no model, so that it works wherever `tidegate` does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tidegate.clients.answers import Classification, Reply
from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.output import (
    PIPE_COLUMNS,
    fields_of,
    harmless_fields,
    write,
    write_json,
)
from tidegate.clients.profiles import ProfileInfo, ProfileKind
from tidegate.clients.words import told

# What a profile is tried on when nothing else is said: one glad, one cross, one that only asks.
TRIAL_TEXTS = (
    "今天的实验终于成功了，太棒了！",
    "等了两个星期才到，包装还破了。",
    "想问一下发票抬头怎么改。",
)

profiles = typer.Typer(
    name="profiles",
    help="See, check and try the prompt profiles.",
    epilog=options.EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@profiles.command("list", epilog=options.EPILOG)
def list_profiles(
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Show the profiles that calls can name now.

    A star marks those that answer calls which name none.
    """
    with calling(address) as client:
        found = client.profiles(timeout_s=timeout)
    if as_json:
        for profile in found:
            write_json(fields_of(profile))
        return
    heads = ("profile", "kind", "version", "labels", "description")
    table = Table(*(told(head) for head in heads), box=box.SIMPLE_HEAD)
    for each in map(harmless_fields, found):
        star = "*" if each.is_default else ""
        table.add_row(
            f"{each.name}{star}",
            each.kind.value,
            each.version,
            " ".join(each.labels),
            each.description,
        )
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    Console(file=sys.stdout, highlight=False, markup=False, width=width).print(table)


@profiles.command(epilog=options.EPILOG)
def lint(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER", help="Profile files, or folders of them.", exists=True
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Check profile files against the prompt rules, before a server does.

    Nothing is loaded and nobody is called. Exit code 2 when something was found.
    """
    command = [sys.executable, "-m", "tidegate.server", "lint", *(["--json"] if as_json else [])]
    sys.stdout.flush()
    ended = subprocess.run([*command, *map(str, paths)], check=False)
    raise typer.Exit(ended.returncode)


@profiles.command("try", epilog=options.EPILOG)
def try_profile(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile.")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What to try it on. [default: three of ours]"),
    ] = None,
    address: options.Address = options.DEFAULT_ADDRESS,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Show what a profile makes of a few texts, with its version, its tokens and its time.

    A saved change of its file counts from the next call on: save, try, save, try.
    """
    with calling(address) as client:
        found = {profile.name: profile for profile in client.profiles(timeout_s=timeout)}
        if name not in found:
            there = ", ".join(found)
            say(
                f"tidegate: {told('there is no profile {name}; there are {there}', name=name, there=there)}"
            )
            raise typer.Exit(ExitCode.INPUT)
        for text in texts or TRIAL_TEXTS:
            _try(client, found[name], text, timeout, as_json)


def _try(
    client: Client, profile: ProfileInfo, text: str, timeout_s: float | None, as_json: bool
) -> None:
    began_s = time.perf_counter()
    answer: Classification | Reply
    if profile.kind is ProfileKind.CLASSIFY:
        answer = client.classify(text, profile=profile.name, timeout_s=timeout_s)
        said = f"{answer.label}  {answer.confidence:.2f}"
    else:
        answer = client.reply(text, profile=profile.name, timeout_s=timeout_s)
        said = answer.text
    took_s = time.perf_counter() - began_s
    if as_json:
        write_json({"text": text, "took_s": round(took_s, 4), **fields_of(answer)})
        return
    usage = answer.usage
    facts = told(
        "version {version}, {prompt} tokens read ({cached} from the cache), {written} written, {took} s",
        version=answer.profile_version,
        prompt=usage.prompt_tokens,
        cached=usage.cached_tokens,
        written=usage.completion_tokens,
        took=f"{took_s:.2f}",
    )
    write(f"{text}\n  {said}\n  ({facts})\n")

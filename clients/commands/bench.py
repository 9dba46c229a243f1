"""`tidegate bench`: our server beside what one would run instead, on this machine and model.

Knows nothing about how that is measured (bench.rounds) or shown (bench.report).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from tidegate.clients.bench.machine import facts
from tidegate.clients.bench.measured import Run
from tidegate.clients.bench.report import fields, notes, table
from tidegate.clients.bench.rounds import QUICK, Course, Setting, full, play
from tidegate.clients.bench.session import BenchError
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.output import write, write_json
from tidegate.clients.local.plan import BUNDLED, is_simulated, missing_extra

# Wide enough for any row: a file or a pipe has no edge to fold lines at.
_PIPE_COLUMNS = 240


def bench(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="bundled, a hub id, a folder or a GGUF file."),
    ] = BUNDLED,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds", min=1, max=100, help="Rounds; more of them tell chance from a difference."
        ),
    ] = 3,
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            min=0,
            max=1024,
            help="Threads that each contestant computes with; 0: as many as it takes by itself.",
        ),
    ] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="One short round, only to see that everything works.")
    ] = False,
    cache_dir: Annotated[
        Path | None,
        typer.Option("--cache-dir", file_okay=False, help="Where the model is kept once loaded."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object in place of the table.")
    ] = False,
) -> None:
    """Compare with what you would run instead, on this machine.

    Three contestants serve the same model, one after the other, each alone and in processes of its own: a tidegate-server called through gRPC; transformers' pipeline, which writes its labels; and a
    split deployment, where a classifier of BERT-base's size (random weights: only its size matters) stands beside the chat model in transformers. Compared are the start to
    the first answer, the time of one label, the first words and the speed of one chat, and the peak memory.

    The rounds are interleaved, and a ratio is taken within a round: below 1x ours takes less. (Of tokens/s more is better: there ours is ahead above 1x.) Believe a ratio whose range
    stays on one side of 1x, and run nothing else meanwhile. Takes minutes, and the memory of one contestant at a time.
    """
    if is_simulated(model):
        _refuse(f"{model!r}: a simulated model has no weights to compare", ExitCode.INPUT)
    extra = missing_extra(model)
    if extra is not None:
        _refuse(f'what is compared is not installed: python -m pip install "{extra}"')
    course = QUICK if quick else full(rounds)
    about = facts(model, threads)
    try:
        runs = asyncio.run(_played(Setting(model, threads, cache_dir), course))
    except BenchError as error:
        _refuse(str(error))
    except asyncio.CancelledError:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        write_json(fields(about, runs, course))
        return
    write("".join(f"{name}: {fact}\n" for name, fact in about.items()))
    console = Console(
        file=sys.stdout,
        highlight=False,
        markup=False,
        width=None if sys.stdout.isatty() else _PIPE_COLUMNS,
    )
    console.print(table(runs))
    write("".join(f"{line}\n" for line in notes(runs, course)))


async def _played(setting: Setting, course: Course) -> list[Run]:
    """The runs; a signal that would end us cancels them, so that every child is ended first."""
    loop = asyncio.get_running_loop()
    playing = asyncio.ensure_future(play(setting, course, _tell))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, playing.cancel)
    return await playing


def _tell(line: str) -> None:
    say(f"tidegate: {line}")


def _refuse(why: str, exit_code: ExitCode = ExitCode.FAILURE) -> NoReturn:
    _tell(why)
    raise typer.Exit(exit_code)

"""`tidegate load`: puts load on a balancer, and says what became of it and how well it was put.

Knows nothing about how that is done (load.drive) or put into words (load.report).
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling, tls_paths, token
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.output import PIPE_COLUMNS, write_json
from tidegate.clients.errors import ServerFailure, TidegateError
from tidegate.clients.fleet import FleetStatus
from tidegate.clients.load.plan import Method, Plan, Step
from tidegate.clients.load.trace import TraceError, read_trace
from tidegate.clients.words import told

if TYPE_CHECKING:
    from tidegate.clients.load.drive import Outcome

_LINE_EVERY_S = 5.0

# How long an answer of each method is worth waiting for, unless the caller says otherwise.
_DEADLINES_S = {Method.SENTIMENT: 10.0, Method.CHAT: 60.0, Method.JUDGE: 60.0}


def load(
    address: options.Address = options.DEFAULT_ADDRESS,
    rate: Annotated[
        float, typer.Option("--rate", "-r", min=0.001, max=1e6, help="Calls a second, Poisson.")
    ] = 10.0,
    duration: Annotated[
        float,
        typer.Option("--duration", "-d", metavar="SECONDS", min=0.1, max=1e7, help="For how long."),
    ] = 30.0,
    steps: Annotated[
        str,
        typer.Option(
            "--steps", metavar="RATE:SECONDS,…", help='In place of both: "200:30,1200:30,200:30".'
        ),
    ] = "",
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="FILE",
            dir_okay=False,
            help="In place of both: a CSV with a column at_s, and method, text and deadline_s if you have them.",
        ),
    ] = None,
    mix: Annotated[
        str,
        typer.Option(
            "--mix", metavar="METHOD=SHARE,…", help="Shares of sentiment, chat and judge."
        ),
    ] = "sentiment=8,chat=1,judge=1",
    deadlines: Annotated[
        str,
        typer.Option(
            "--deadlines",
            metavar="METHOD=SECONDS,…",
            help="Those of the calls. [default: sentiment=10,chat=60,judge=60]",
        ),
    ] = "",
    reply_tokens: Annotated[
        int | None,
        typer.Option(
            "--reply-tokens", min=1, help="Longest reply. [default: what the profile says]"
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What is said, a text a line, in place of our own sentences; a number is added to each.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same calls.")] = 1,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, help="Processes that call.")
    ] = 2,
    channels: Annotated[
        int, typer.Option("--connections", min=1, max=64, help="Connections of each.")
    ] = 4,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", dir_okay=False, help="Draw it, as PNG or SVG."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object at the end in place of the tables.")
    ] = False,
) -> None:
    """Put load on a balancer.

    Calls come when they are due, whatever became of those before, and times count from that moment: a service that stalls is not spared. Nothing is retried.

    Goodput is the calls a second that were answered in full before their deadline. The tool watches itself: it counts the calls that it made more than 10 ms late and says so when it was the limit.
    """
    for module, extra in (("hdrh", "load"), *((("matplotlib", "plot"),) if plot else ())):
        if find_spec(module) is None:
            hint = f'python -m pip install "tidegate[{extra}]"'
            _refuse(told("what this needs is not installed: {hint}", hint=hint), ExitCode.FAILURE)
    try:
        plan = Plan(
            address,
            _steps(steps) if steps else (Step(rate, duration),),
            _of_methods(mix, "--mix", {}),
            _of_methods(deadlines, "--deadlines", _DEADLINES_S),
            reply_tokens,
            read_trace(trace) if trace else (),
            _lines(texts) if texts else (),
            seed,
            processes,
            channels,
            tls_paths(),
            token(),
        )
        if not any(plan.shares.values()):
            raise ValueError(told("--mix: one share at least is above 0"))
        if min(plan.deadlines_s.values()) <= 0:
            raise ValueError(told("--deadlines: each is above 0"))
    except (TraceError, ValueError, OSError) as error:
        _refuse(str(error), ExitCode.INPUT)
    with calling(address) as client:
        # Nobody at the address: that is said at once, and not after the processes have waited for him.
        before = _status(client, ServerFailure)
        with _shown(plan, as_json) as seen:
            outcome, is_whole = _put(plan, seen)
        after = _status(client, TidegateError)
    _report(plan, outcome, before, after, as_json)
    if plot:
        _draw(outcome, plan, plot)
    if not is_whole:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _put(plan: Plan, seen: Callable[[Outcome], None]) -> tuple[Outcome, bool]:
    """The outcome, and whether it is that of the whole load: a signal ends it early."""
    from tidegate.clients.load.drive import LoadError, Outcome, drive

    latest = [Outcome()]

    def keep(outcome: Outcome) -> None:
        latest[0] = outcome
        seen(outcome)

    async def putting() -> Outcome:
        loop = asyncio.get_running_loop()
        driving = asyncio.ensure_future(drive(plan, keep))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, driving.cancel)
        return await driving

    try:
        return asyncio.run(putting()), True
    except LoadError as error:
        _refuse(str(error), ExitCode.UNAVAILABLE)
    except asyncio.CancelledError:
        return latest[0], False


@contextmanager
def _shown(plan: Plan, as_json: bool) -> Iterator[Callable[[Outcome], None]]:
    """Gives what shows an outcome while it comes about: a live page, a line now and then, or nothing."""
    from tidegate.clients.load import report

    if sys.stderr.isatty():
        console = Console(stderr=True, highlight=False, markup=False)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda outcome: live.update(report.page(plan, outcome), refresh=True)
    elif as_json:
        yield lambda outcome: None
    else:
        due_s = time.monotonic() + _LINE_EVERY_S

        def say_now_and_then(outcome: Outcome) -> None:
            nonlocal due_s
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + _LINE_EVERY_S
                say(f"tidegate: {report.line(plan, outcome)}")

        yield say_now_and_then


def _report(
    plan: Plan,
    outcome: Outcome,
    before: FleetStatus | None,
    after: FleetStatus | None,
    as_json: bool,
) -> None:
    from tidegate.clients.load import report

    balancer = report.counted(before, after) if before and after else {}
    if as_json:
        write_json(report.fields(plan, outcome, balancer))
        for line in report.verdict(outcome)[1:]:
            say(f"tidegate: {line}")
        return
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
    console.print(report.page(plan, outcome))
    for lane, counts in balancer.items():
        facts = ", ".join(f"{count} {name}" for name, count in counts.items())
        console.print(told("the balancer counted in {lane}: {facts}", lane=lane, facts=facts))


def _draw(outcome: Outcome, plan: Plan, path: Path) -> None:
    from tidegate.clients.load.picture import draw

    try:
        draw(outcome, f"{outcome.made} calls to {plan.address}", path)
    except (OSError, ValueError) as error:
        _refuse(f"--plot: {error}", ExitCode.FAILURE)


def _status(client: Client, none_for: type[TidegateError]) -> FleetStatus | None:
    """What the balancer tells of itself; None from a server that is called without one, which fails."""
    try:
        return client.status(timeout_s=5.0)
    except none_for:
        return None


def _steps(said: str) -> tuple[Step, ...]:
    steps = []
    for part in said.split(","):
        rate, _, lasts_s = part.partition(":")
        steps.append(Step(_number("--steps", rate), _number("--steps", lasts_s)))
    return tuple(steps)


def _of_methods(said: str, option: str, otherwise: dict[Method, float]) -> dict[Method, float]:
    chosen = dict(otherwise)
    for part in filter(None, said.split(",")):
        name, _, value = part.partition("=")
        try:
            chosen[Method(name.strip())] = _number(option, value)
        except ValueError:
            methods = ", ".join(method.value for method in Method)
            problem = told(
                "{option}: {part} is not METHOD=NUMBER; methods are {methods}",
                option=option,
                part=repr(part),
                methods=methods,
            )
            raise ValueError(problem) from None
    return chosen


def _number(option: str, said: str) -> float:
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            told("{option}: {said} is not a number from 0 on", option=option, said=repr(said))
        )
    return number


def _lines(path: Path) -> tuple[str, ...]:
    lines = tuple(filter(None, map(str.strip, path.read_text("utf-8-sig").splitlines())))
    if not lines:
        raise ValueError(f"--texts: {path}: {told('the file is empty')}")
    return lines


def _refuse(why: str, exit_code: ExitCode) -> NoReturn:
    say(f"tidegate: {why}")
    raise typer.Exit(exit_code)

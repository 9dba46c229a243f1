"""The command `tidegate-balancer simulate`: a scenario in, tables or JSON or a picture out."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tidegate.balancer.simulation.figures import figures
from tidegate.balancer.simulation.gate import Standing
from tidegate.balancer.simulation.judge import Judge
from tidegate.balancer.simulation.library import ScenarioError, names, read, value_of
from tidegate.balancer.simulation.plot import PlotError, plot
from tidegate.balancer.simulation.report import as_json, show
from tidegate.balancer.simulation.run import run

PROGRAM = "tidegate-balancer simulate"
GATE_MISSED = 3
"""Exit code when the run is fine and a gate is not."""


class UsageError(Exception):
    """The command line is wrong. The message is one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def simulate(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 0, 2 for a wrong scenario or flag, 3 for a missed gate."""
    try:
        said = _parser().parse_args(arguments)
        if said.list:
            _list()
            return 0
        if said.scenario is None:
            raise UsageError("which scenario? a TOML file, or a name that --list shows")
        return _simulate(said)
    except (UsageError, ScenarioError, PlotError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 2


def _simulate(said: argparse.Namespace) -> int:
    changes = dict(_change(each) for each in said.set)
    scenario = read(said.scenario, changes)
    result = run(scenario, said.seed)
    found = figures(result)
    judge = Judge(said.seed)
    judged = judge.judge(said.scenario, scenario.gates, found)
    words = [said.scenario, "--seed", str(result.seed), *(f"--set={each}" for each in said.set)]
    repeat = f"{PROGRAM} {shlex.join(words)}"
    if said.json:
        sys.stdout.write(as_json(result, found, judged, repeat) + "\n")
    else:
        show(result, found, judged, repeat)
    if said.plot is not None:
        plot(result, said.plot)
    is_sound = not found["violations"] and not found["over_admissions"]
    return 0 if is_sound and all(each.standing is not Standing.MISSED for each in judged) else 3


def _change(told: str) -> tuple[str, Any]:
    name, equals, value = told.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {told!r} is not NAME=VALUE")
    return name, value_of(value)


def _list() -> None:
    width = max(len(name) for name in names())
    for name in names():
        sys.stdout.write(f"{name:<{width}}  {read(name).title}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Play a scenario on simulated time: a fleet, its callers and its mishaps. Every "
        "decision is made by the code that balances real calls. Hours pass in seconds, and the same "
        "seed gives the same run. Exit code 0: every gate of the scenario holds, at least at its "
        "floor; 3: one doesn't; 2: the scenario or a flag is wrong.",
        epilog=f"example: {PROGRAM} flash-crowd --plot crowd.svg; what if chat had no floor: "
        f"{PROGRAM} sentiment-flood --set 'without=[\"floor\"]'",
        allow_abbrev=False,
    )
    parser.add_argument(
        "scenario", nargs="?", help="TOML file, or the name of a scenario that --list shows"
    )
    parser.add_argument("--list", action="store_true", help="show the scenarios that come along")
    parser.add_argument("--json", action="store_true", help="print figures and gates as JSON")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the run into FILE, SVG or PNG by its name"
    )
    parser.add_argument("--seed", type=_seed, help="repeat with this seed, not the scenario's own")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a value by its dotted name, as traffic.0.arrivals.rate=50 (may be repeated)",
    )
    return parser


def _seed(told: str) -> int:
    if not told.isdecimal():
        raise argparse.ArgumentTypeError(f"{told!r} is not a whole number, 0 or more")
    return int(told)

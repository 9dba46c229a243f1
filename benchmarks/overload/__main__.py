"""Prints what overload does to us and to others: `python -m benchmarks.overload`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine
from benchmarks.overload import gates, reality, record, scenario, sheet, surge, systems, throughput
from benchmarks.overload.chart import draw
from benchmarks.overload.contest import Stage
from benchmarks.overload.fleet import Size, running
from benchmarks.overload.record import Record
from benchmarks.overload.scenario import SCENARIOS
from benchmarks.overload.systems import SYSTEMS
from benchmarks.row import Row, Verdict
from benchmarks.table import render

_PARTS = (*(each.name for each in SCENARIOS), "calls", "surge")


def main() -> None:
    """Measure, print, and end with 1 when something could not be measured."""
    given = _parser().parse_args()
    began_s = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began_s:6.0f} s  {what}", file=sys.stderr, flush=True)

    found = record.read(given.json) if given.json else Record()
    parts = given.only or list(_PARTS)
    found.machine = {
        "processor": machine.processor(),
        "cores": f"{machine.cores()}, shared by instances, systems and load generator",
        "system": machine.system(),
        "versions": f"{machine.versions(('tidegate', 'grpcio'))}, {systems.versions()}",
        "load before": f"{machine.load():.1f}",
    }
    with tempfile.TemporaryDirectory(prefix="overload-") as folder:
        scratch = given.work or Path(folder)
        scratch.mkdir(parents=True, exist_ok=True)
        _measure(found, parts, given, scratch, tell)
    places = {name: at for at, name in enumerate([*_PARTS, *(each.name for each in SYSTEMS)])}
    played = sorted(
        found.played.values(), key=lambda each: (places[each.scenario], places[each.system])
    )
    tell("the simulator, on the same")
    rows = [*gates.rows(played), *found.rows.values(), *reality.rows(played)]
    print(sheet.render(played))
    print()
    print(render(found.machine, rows))
    if given.json:
        found.write(given.json, rows)
    if given.chart:
        draw(played, found.machine["processor"], given.chart)
    sys.exit(any(row.verdict is Verdict.FAILED for row in rows))


def _measure(
    found: Record,
    parts: list[str],
    given: argparse.Namespace,
    scratch: Path,
    tell: Callable[[str], None],
) -> None:
    scenarios = [each for each in SCENARIOS if each.name in parts]
    if scenarios:
        tell("starting the instances")
        with running(Size(), scratch / "instances.log") as fleet:
            scale = scenario.QUICK if given.quick else scenario.FULL
            stage = Stage(fleet, scale, scratch, tell)
            capacity = stage.capacity()
            tell(
                f"the fleet gives {capacity.goodput:.1f} slot-seconds a second, "
                f"{capacity.chats_per_s:.1f} chats a second"
            )
            for each in scenarios:
                for system in SYSTEMS:
                    if given.systems and system.name not in given.systems:
                        continue
                    if system.absence:
                        found.add([_absent(system.name, system.absence)])
                        continue
                    found.play(stage.play(each, system, capacity))
    if "calls" in parts:
        tell("calls a second, and the overhead without load")
        effort = throughput.QUICK if given.quick else throughput.FULL
        found.add(throughput.rows(effort, scratch))
    if "surge" in parts:
        tell(f"the surge to {given.surge_peak:g} calls a second")
        course = surge.course(given.surge_peak, quick=given.quick)
        found.add(surge.rows(course, scratch, given.surge_chart, given.workers))


def _absent(system: str, why: str) -> Row:
    return Row(f"peer-{system}", "", "", Verdict.ABSENT, note=why)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description="Overload over real gRPC: instances that only sleep, ours and others before them "
        "in turn, the same calls on each.",
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="seconds only: shows that it runs")
    parser.add_argument(
        "--only",
        action="append",
        choices=_PARTS,
        metavar="PART",
        help=f"measure this part; may be given again. Parts: {', '.join(_PARTS)}",
    )
    parser.add_argument(
        "--systems",
        action="append",
        choices=[system.name for system in SYSTEMS],
        metavar="SYSTEM",
        help="measure this system; may be given again. Systems: "
        + ", ".join(system.name for system in SYSTEMS),
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write everything here; what the file holds already of other parts stays",
    )
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="draw it (.svg or .png; needs matplotlib)"
    )
    parser.add_argument(
        "--surge-peak",
        type=float,
        default=1200.0,
        metavar="N",
        help="calls a second at the peak of the surge, six times the calm; default: %(default)g",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="balancers on one port in the surge; default: %(default)d",
    )
    parser.add_argument("--surge-chart", type=Path, metavar="FILE", help="draw the surge")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where logs and filled-in files stay"
    )
    return parser


if __name__ == "__main__":
    main()

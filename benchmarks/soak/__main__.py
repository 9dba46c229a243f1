"""Soaks the whole system and says what leaked: `python -m benchmarks.soak`."""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine
from benchmarks.row import Verdict
from benchmarks.soak import gates, journal
from benchmarks.soak.chart import draw
from benchmarks.soak.journal import Journal
from benchmarks.soak.run import Soak, Wanted
from benchmarks.soak.system import System
from benchmarks.table import render

_EPILOG = """\
Calls of every kind come at 0.8 of what the fleet was measured to carry; some callers hang up, some don't come back when told to. Once
a minute something is lost: an instance, a balancer, Consul or the page is killed, or stopped for some seconds, at times two at once. The launcher
starts instances again, this command the rest. In the first half only instances and the second balancer are hit, so that processes of every kind
live long enough to be judged by their memory. The same seed brings the same calls and blows.

  python -m benchmarks.soak --minutes 3 --every 20       a short one; nothing is said about memory
  python -m benchmarks.soak --calm                       without losses: what grows then is a leak
  python -m benchmarks.soak --read soak.jsonl --chart soak.svg

Needs Consul (TIDEGATE_CONSUL, or `consul` on the PATH). Exit code 1 when a gate is missed."""


def main() -> None:
    """Soak, print, and end with 1 when a gate is missed."""
    given = _parser().parse_args()
    if given.read is None:
        given.read = given.json or Path(tempfile.mkdtemp(prefix="soak-")) / "soak.jsonl"
        _soak(given)
    lines = journal.read(given.read)
    if given.chart:
        draw(lines, given.chart)
    rows = list(gates.rows(lines))
    about = {
        "processor": machine.processor(),
        "cores": f"{machine.cores()}, shared by all of it",
        "system": machine.system(),
        "versions": machine.versions(("tidegate", "grpcio")),
        "journal": str(given.read),
    }
    print(render(about, rows))
    sys.exit(any(row.verdict in (Verdict.MISSED, Verdict.FAILED) for row in rows))


def _soak(given: argparse.Namespace) -> None:
    consul = os.environ.get("TIDEGATE_CONSUL") or shutil.which("consul")
    if consul is None:
        sys.exit("no Consul binary: set TIDEGATE_CONSUL, or run scripts/fetch_consul.sh")
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    began_s = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began_s:6.0f} s  {what}", file=sys.stderr, flush=True)

    tell(f"seed {seed}")
    folder = given.work or given.read.resolve().parent / f"{given.read.stem}-work"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(60 * given.minutes, given.every, seed, given.calm, given.measure)
    system = System(folder, consul, given.instances, given.model)
    log = Journal(given.read)
    try:
        asyncio.run(_run(lambda: Soak(system, wanted, log, tell), system))
    finally:
        log.close()


async def _run(soak: Callable[[], Soak], system: System) -> None:
    # Made on the loop: gRPC binds its channels to it.
    running = asyncio.ensure_future(soak().run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        sys.exit("soak: ended before its time")
    finally:
        await system.kill_all()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="The whole system as real processes, under mixed calls, of which a part is lost each minute.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--minutes", type=float, default=30.0, metavar="N", help="how long; default: %(default)g"
    )
    parser.add_argument(
        "--every",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds in which one loss comes; default: %(default)g",
    )
    parser.add_argument("--calm", action="store_true", help="nothing is lost")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of calls and losses; drawn and printed without one"
    )
    parser.add_argument(
        "--instances", type=int, default=8, metavar="N", help="default: %(default)d"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME",
        help="what instances serve, as for tidegate-server; by default one that only sleeps",
    )
    parser.add_argument(
        "--measure",
        type=float,
        default=15.0,
        metavar="S",
        help="seconds in which capacity is measured; default: %(default)g",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the journal goes, a line for each sample, look and loss",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="where logs and settings stay; beside the journal by default",
    )
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="draw it (.svg or .png; needs matplotlib)"
    )
    parser.add_argument(
        "--read",
        type=Path,
        metavar="FILE",
        help="run nothing: judge and draw the journal of an earlier run",
    )
    return parser


if __name__ == "__main__":
    main()

"""Prints the table of gates of the engine: `python -m benchmarks.engine`."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import platformdirs

from benchmarks import machine
from benchmarks.engine.chart import draw
from benchmarks.engine.conductor import Setting, play
from benchmarks.engine.contests import FULL, MATCHES, QUICK
from benchmarks.engine.promises import PROMISES, keep
from benchmarks.engine.random_model import Size, model_folder
from benchmarks.row import Row, Verdict
from benchmarks.table import render

_NAMES = [contest.row for match in MATCHES for contest in match.contests] + list(PROMISES)


def main() -> None:
    """Measure, print, and end with 1 when a row could not be measured."""
    given = _parser().parse_args()
    began_s = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began_s:6.0f} s  {what}", file=sys.stderr, flush=True)

    given.work.mkdir(parents=True, exist_ok=True)
    size, scale = (Size.TINY, QUICK) if given.quick else (Size.FULL, FULL)
    about = machine.describe(given.threads)
    setting = Setting(
        folder=model_folder(size, given.work, given.tokenizer).resolve(),
        threads=given.threads,
        scale=replace(scale, rounds=given.rounds or scale.rounds),
        log=given.work / "contenders.log",
        tell=tell,
    )
    about["model"] = f"{size.value}, FP32"
    rows = []
    for row in _rows(setting, given.only or _NAMES):
        rows.append(row)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x "
        tell(f"  {row.name}: {ratio}{row.verdict.value}")
    about["load after"] = f"{machine.load():.1f}"
    print(render(about, rows))
    if given.json:
        found = {"machine": about, "rows": [row.as_json() for row in rows]}
        given.json.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if given.chart:
        draw(rows, f"{about['processor']}, {about['cores']}", given.chart)
    sys.exit(any(row.verdict is Verdict.FAILED for row in rows))


def _rows(setting: Setting, names: list[str]) -> Iterator[Row]:
    for match in MATCHES:
        contests = tuple(contest for contest in match.contests if contest.row in names)
        if contests:
            yield from play(match, contests, setting)
    for name in PROMISES:
        if name in names:
            yield keep(name, setting)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description="The engine beside what else could run the model, in turn on the same cores.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model and one round: only shows that it runs"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=_NAMES,
        metavar="ROW",
        help=f"measure this row; may be given again. Rows: {', '.join(_NAMES)}",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"how often both sides of a row take their turn; default: {FULL.rounds}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="draw the rows (.svg or .png; needs matplotlib)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=machine.cores(),
        help="threads of every contender; default: the cores of this process, %(default)s",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(platformdirs.user_cache_dir("tidegate")) / "benchmarks",
        metavar="DIR",
        help="where the made model and the log lie; default: %(default)s",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="DIR",
        help="folder with a tokenizer.json to use instead of the built one",
    )
    return parser


if __name__ == "__main__":
    main()

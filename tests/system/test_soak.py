"""The soak, for less than a minute: three parts are lost, and every call is accounted for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.consul import find_consul

from benchmarks.row import Row, Verdict
from benchmarks.soak import gates, journal

pytestmark = [pytest.mark.consul, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
SEED = 6
"""An instance, the second balancer and then the page are killed."""
EXACT = ("unaccounted", "balancer-accounts", "both-sides", "busy-slots", "clean-ends", "back")


def soaked(folder: Path) -> list[Row]:
    """The rows of a short soak."""
    file = folder / "soak.jsonl"
    short = ("--minutes", "0.5", "--every", "8", "--measure", "4", "--instances", "4")
    command = [sys.executable, "-m", "benchmarks.soak", *short, "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "TIDEGATE_CONSUL": find_consul()},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    # Figures, for `pytest -s` and for whoever looks why it failed.
    print(done.stderr, done.stdout)  # noqa: T201
    return list(gates.rows(journal.read(file)))


def test_every_call_and_every_slot_is_accounted_for_whatever_is_lost(tmp_path: Path):
    rows = {row.name: row for row in soaked(tmp_path)}
    assert {name: rows[name].verdict for name in EXACT} == dict.fromkeys(EXACT, Verdict.MET)

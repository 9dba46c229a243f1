"""Thousands of random mishaps: every call ends once, no slot is given twice, none is lost."""

import pytest

from tidegate.balancer.simulation.figures import figures
from tidegate.balancer.simulation.library import read
from tidegate.balancer.simulation.run import run

SEEDS = 2000
CHUNK = 200
CHAOS = read("chaos")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_books_balance_whatever_goes_wrong(first):
    for seed in range(first, first + CHUNK):
        result = run(CHAOS, seed)
        found = figures(result)
        repeat = f"repeat: tidegate-balancer simulate chaos --seed {seed}"
        told = [line for sidecar in result.sidecars for line in sidecar.witness.violations]
        assert not told, repeat
        assert all(visit.result is not None for visit in result.visits), repeat
        for name in ("violations", "inversions", "over_admissions"):
            assert found[name] == 0, f"{name}: {found[name]:g}; {repeat}"

import random

import pytest

from tidegate.balancer.simulation.arrivals import Daily, Flash, Poisson, Steps, moments
from tidegate.balancer.simulation.clock import Clock, Rank

PATTERNS = [
    (Poisson(pattern="poisson", rate=20), [(10, 20), (500, 20)]),
    (Steps(pattern="step", steps=((0, 5), (100, 50), (110, 5))), [(99, 5), (100, 50), (110, 5)]),
    (Daily(pattern="daily", low=2, high=10, day_s=2400), [(900, 10), (2100, 2), (3300, 10)]),
    (Flash(pattern="flash", rate=5, peak=45, begins_s=100, fades_s=20), [(99, 5), (100, 45), (120, 25)]),
]  # fmt: skip


@pytest.mark.parametrize(("arrivals", "points"), PATTERNS)
def test_a_pattern_has_its_rate_at_any_time(arrivals, points):
    for at_s, rate in points:
        assert arrivals.rate_at(at_s) == pytest.approx(rate)
        assert rate <= arrivals.highest


@pytest.mark.parametrize(("arrivals", "points"), PATTERNS)
def test_as_many_arrive_as_the_rate_says(arrivals, points):
    drawn = moments(arrivals, random.Random(1), 1000.0)
    expected = sum(arrivals.rate_at(second + 0.5) for second in range(1000))
    assert sum(1 for _ in drawn) == pytest.approx(expected, rel=0.06)


def test_a_rate_of_nothing_brings_nobody():
    assert list(moments(Poisson(pattern="poisson", rate=0), random.Random(1), 10.0)) == []


def test_membership_comes_before_time_and_time_before_calls():
    clock, seen = Clock(), []
    for rank in reversed(Rank):
        clock.at(1.0, rank, lambda rank=rank: seen.append(rank))
    gone = clock.at(1.0, Rank.CALL, lambda: seen.append("never"))
    gone.cancel()
    clock.at(2.0, Rank.CALL, lambda: seen.append("later"))
    clock.run_until(1.5)
    assert seen == list(Rank)
    assert clock.now_s == 1.5

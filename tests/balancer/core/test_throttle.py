import pytest

from tidegate.balancer.core.throttle import STANDING_S, Throttle


@pytest.mark.parametrize(
    ("delay_s", "refused"),
    [(0.0, 0), (STANDING_S, 0), (0.325, 25), (0.55, 50), (0.775, 75), (1.0, 100), (9.0, 100)],
)
def test_the_share_that_is_refused_grows_with_the_delay(delay_s, refused):
    it = Throttle(most_s=1.0)
    assert sum(it.refuses(delay_s) for _ in range(100)) == pytest.approx(refused, abs=1)


def test_the_refused_are_spread_evenly():
    it = Throttle(most_s=1.0)
    assert [it.refuses(0.55) for _ in range(6)] == [False, True] * 3


def test_a_queue_that_is_gone_leaves_nothing_behind():
    it = Throttle(most_s=1.0)
    assert not it.refuses(0.9)
    assert not it.refuses(0.0)
    assert not it.refuses(0.9)


def test_a_lane_without_patience_refuses_all_of_a_standing_queue():
    it = Throttle(most_s=0.0)
    assert [it.refuses(delay_s) for delay_s in (0.05, 0.11)] == [False, True]

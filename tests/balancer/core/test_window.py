import pytest

from tidegate.balancer.core.window import Window


@pytest.mark.parametrize(
    ("steps", "now", "mean"),
    [
        ([], 5.0, 0.0),
        ([(0.0, 4.0)], 0.0, 4.0),
        ([(0.0, 4.0)], 100.0, 4.0),
        ([(0.0, 0.0), (5.0, 8.0)], 10.0, 4.0),
        ([(0.0, 100.0), (5.0, 2.0), (15.0, 6.0)], 20.0, 4.0),
    ],
)
def test_the_mean_is_weighted_by_time_within_the_span(steps, now, mean):
    window = Window(10.0)
    for at_s, value in steps:
        window.learn(value, at_s)
    assert window.mean(now) == pytest.approx(mean)


def test_the_highest_is_forgotten_after_the_span():
    window = Window(10.0)
    assert window.highest == 0.0
    window.learn(7.0, 0.0)
    window.learn(1.0, 1.0)
    window.learn(1.0, 10.0)
    assert window.highest == 7.0
    window.learn(1.0, 11.0)
    assert window.highest == 1.0

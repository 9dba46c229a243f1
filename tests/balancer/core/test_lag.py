import pytest

from tidegate.balancer.core.lag import Lag


def states(*lags: tuple[float, float]) -> list[bool]:
    it = Lag()
    said = []
    for now, lag_s in lags:
        was = it.is_high
        assert it.learn(lag_s, now) is (it.is_high is not was)
        said.append(it.is_high)
    return said


@pytest.mark.parametrize(
    ("lags", "said"),
    [
        ([(0.0, 0.2), (0.5, 0.2), (1.0, 0.2)], [False, False, True]),
        ([(0.0, 0.1), (0.5, 0.1), (1.0, 0.1)], [False, False, False]),
        ([(0.0, 0.5), (0.5, 0.0), (1.0, 0.0)], [False, False, False]),
        ([(0.0, 0.2), (0.9, 0.2), (1.2, 0.2), (2.3, 0.0)], [False, False, True, False]),
    ],
    ids=["a loop that can't keep up", "just in time", "a single stall", "recovered"],
)
def test_only_a_second_of_lag_above_the_limit_counts(lags, said):
    assert states(*lags) == said


def test_without_measurements_there_is_no_lag():
    assert Lag().p99_s == 0.0

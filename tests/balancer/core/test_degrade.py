import pytest

from tidegate.balancer.core.degrade import Degrading


def judged(*events: tuple[float, float]) -> list[bool]:
    it = Degrading(enter_s=10.0, leave_s=5.0, dwell_s=2.0)
    states = []
    for now, wait_s in events:
        was = it.is_on
        assert it.judge(wait_s, now) is (it.is_on is not was)
        states.append(it.is_on)
    return states


@pytest.mark.parametrize(
    ("events", "states"),
    [
        ([(0, 10.0), (1, 10.1)], [False, True]),
        ([(0, 11.0), (9, 5.1), (10, 5.0)], [True, True, False]),
        ([(0, 11.0), (1.9, 0.0), (2.0, 0.0)], [True, True, False]),
        ([(0, 11.0), (2.0, 0.0), (3.9, 99.0), (4.0, 99.0)], [True, False, False, True]),
        ([(0, 7.0), (1, 11.0), (5, 7.0), (9, 4.0), (15, 7.0)], [False, True, True, False, False]),
    ],
)
def test_it_is_entered_above_ten_left_at_five_and_dwells_for_two_seconds(events, states):
    assert judged(*events) == states

import pytest

from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.limit import WINDOW, Limit
from tidegate.balancer.core.work import MOST_BYTES, work_of


def after(*windows: float, slots: int = 4) -> list[int]:
    """What is allowed after each window of equal ratios."""
    it = Limit()
    allowed = []
    for ratio in windows:
        medians = [it.learn(ratio, slots) for _ in range(WINDOW)]
        assert medians == [None] * (WINDOW - 1) + [ratio]
        allowed.append(it.allows(slots))
    return allowed


@pytest.mark.parametrize(
    ("windows", "allowed"),
    [
        ([1.0, 2.0], [4, 4]),
        ([2.1, 2.1, 2.1], [3, 3, 2]),
        ([9.0] * 20, [3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ([9.0] * 7 + [1.0] * 4, [3, 3, 2, 2, 2, 2, 1, 2, 3, 4, 4]),
    ],
)
def test_it_narrows_by_a_tenth_and_widens_by_one_within_its_slots(windows, allowed):
    assert after(*windows) == allowed


def test_many_slots_are_back_after_twenty_usual_windows():
    assert after(*[9.0] * 10, *[1.0] * 20, slots=1000)[9::20] == [348, 1000]


def test_a_few_long_answers_among_usual_ones_change_nothing():
    it = Limit()
    for ratio in [9.0] * (WINDOW // 2) + [1.0] * (WINDOW // 2):
        it.learn(ratio, 4)
    assert it.allows(4) == 4


def test_fewer_slots_than_the_limit_are_the_limit():
    it = Limit()
    assert [it.allows(slots) for slots in (0, 1, 7)] == [0, 1, 7]
    it.narrow(4)
    assert [it.allows(slots) for slots in (0, 2, 7)] == [0, 2, 3]


@pytest.mark.parametrize(
    ("size_bytes", "work"), [(-5, 1.0), (0, 1.0), (2048, 2.0), (10**12, 1 + MOST_BYTES / 2048)]
)
def test_work_grows_with_what_a_call_brings_up_to_a_bound(size_bytes, work):
    assert work_of(Call(1, Lane.CHAT, 0.0, size_bytes=size_bytes)) == work

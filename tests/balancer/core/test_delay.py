import pytest

from tidegate.balancer.core.delay import Delay


@pytest.mark.parametrize(
    ("took", "delay_s"),
    [
        ([(0.0, 2.0), (0.5, 3.0), (0.9, 3.0)], 0.0),
        ([(0.0, 2.0), (0.5, 4.0), (1.0, 3.0)], 2.0),
        ([(0.0, 2.0), (0.5, 4.0), (1.0, 3.0), (1.5, 3.0)], 3.0),
        ([(0.0, 2.0), (0.5, 4.0), (1.0, 3.0), (1.1, 0.0)], 0.0),
        ([(0.0, 0.0), (3.0, 3.0)], 0.0),
        ([(0.0, 0.0), (3.0, 3.0), (6.0, 3.0)], 3.0),
    ],
    ids=["too new", "a second", "the least", "caught up", "a single stall", "calls of seconds"],
)
def test_the_least_of_the_last_second_is_what_a_call_has_to_expect(took, delay_s):
    it = Delay()
    for now, took_s in took:
        it.learn(took_s, now)
    assert it.value_s == delay_s

import pytest

from tidegate.balancer.core.ramp import Ramp

RAMP = Ramp(began_s=100.0, length_s=30.0)


@pytest.mark.parametrize(
    ("slots", "now", "allowed", "grows_s"),
    [
        (4, 99.0, 1, 110.0),
        (4, 100.0, 1, 110.0),
        (4, 109.9, 1, 110.0),
        (4, 110.0, 2, 120.0),
        (4, 129.9, 3, 130.0),
        (4, 130.0, 4, None),
        (4, 999.0, 4, None),
        (1, 100.0, 1, None),
        (0, 100.0, 0, None),
    ],
)
def test_a_fresh_instance_takes_one_call_and_grows_to_its_slots(slots, now, allowed, grows_s):
    assert RAMP.allows(slots, now) == allowed
    assert RAMP.grows_s(slots, now) == (None if grows_s is None else pytest.approx(grows_s))


@pytest.mark.parametrize("slots", [2, 3, 7, 16])
def test_a_timer_that_fires_when_a_slot_is_due_finds_it_due(slots):
    ramp, now = Ramp(0.1, 29.7), 0.1
    for expected in range(2, slots + 1):
        now = ramp.grows_s(slots, now)
        assert ramp.allows(slots, now) == expected
    assert not ramp.is_over(0.1)
    assert ramp.is_over(30.0)

import random

import pytest

from tidegate.balancer.core.estimate import SAMPLES, ServiceTime, estimated_wait_s


def test_nothing_is_known_before_the_first_answer():
    assert (ServiceTime().mean_s, ServiceTime().median_s) == (0.0, 0.0)


def test_mean_and_median_are_those_of_the_recent_answers():
    service = ServiceTime()
    for duration_s in (1.0, 2.0, 9.0):
        service.learn(duration_s)
    assert (service.mean_s, service.median_s) == (4.0, 2.0)


def test_old_answers_are_forgotten():
    service = ServiceTime()
    for duration_s in [100.0] * 10 + [2.0] * SAMPLES:
        service.learn(duration_s)
    assert (service.mean_s, service.median_s) == (pytest.approx(2.0), 2.0)


def test_a_call_that_ran_out_of_time_teaches_only_that_calls_are_longer():
    service = ServiceTime()
    service.learn(2.0)
    service.learn_at_least(1.0)
    assert service.mean_s == 2.0
    service.learn_at_least(4.0)
    assert service.mean_s == 3.0


@pytest.mark.parametrize(
    ("ahead", "slots", "mean_s", "wait_s"),
    [(0, 1, 2.0, 2.0), (3, 2, 2.0, 4.0), (3, 2, 0.0, 0.0), (3, 0, 2.0, 0.0)],
)
def test_the_wait_is_the_time_in_which_enough_slots_come_free(ahead, slots, mean_s, wait_s):
    assert estimated_wait_s(ahead, slots, mean_s) == wait_s


def test_the_safe_time_is_what_hardly_any_answer_exceeds():
    rng, service = random.Random(1), ServiceTime()
    # Replies: their lengths vary by half of their mean.
    replies = [rng.gammavariate(4.0, 1.5) for _ in range(1000)]
    for duration_s in replies:
        service.learn(duration_s)
    longer = sum(duration_s > service.safe_s for duration_s in replies)
    assert 1 <= longer <= 20
    assert service.safe_s < 4 * service.mean_s


def test_a_few_answers_that_stood_still_leave_what_is_safe_within_reach():
    service = ServiceTime()
    for duration_s in [0.5] * (SAMPLES - 8) + [42.0] * 8:
        service.learn(duration_s)
    # By all that they took it would be 37 s, and whoever has 15 s would be turned away.
    assert service.safe_s < 5.0
    assert service.median_s == 0.5


def test_a_lane_that_becomes_slow_is_known_to_be_slow():
    service = ServiceTime()
    for duration_s in [0.5] * SAMPLES + [20.0] * 2 * SAMPLES:
        service.learn(duration_s)
    assert service.mean_s == pytest.approx(20.0)


def test_answers_of_the_same_length_make_that_length_safe():
    service = ServiceTime()
    assert service.safe_s == 0.0
    for _ in range(3 * SAMPLES):
        service.learn(0.1)
    assert service.safe_s == pytest.approx(0.1, abs=1e-6)

import math

import pytest

from tidegate.balancer.core.share import BACKOFF, LONGEST_S, PART, SHORTEST_S, Share


def test_without_a_refusal_there_is_no_bound():
    share = Share()
    assert (share.is_bounded, share.grows_s(99)) == (False, None)
    assert math.isinf(share.allows(5.0))


def test_a_refusal_costs_a_part_and_one_more_is_tried_each_interval():
    share = Share()
    share.refuse(in_flight=10, service_s=20.0, now=100.0)
    interval_s = min(20.0 * PART, LONGEST_S)
    assert share.allows(100.0) == pytest.approx(10 * BACKOFF, abs=1e-3)
    assert share.allows(100.0 + 2 * interval_s) == pytest.approx(10 * BACKOFF + 2, abs=1e-3)


@pytest.mark.parametrize("in_flight", [0, 1, 7, 9, 10])
def test_a_timer_that_fires_when_one_more_is_due_finds_it_due(in_flight):
    share = Share()
    share.refuse(in_flight=10, service_s=3.1, now=0.1)
    due_s = share.grows_s(in_flight)
    assert due_s >= 0.1
    assert share.allows(due_s) >= in_flight + 1


def test_refusals_that_come_together_count_once():
    share = Share()
    share.refuse(10, 10.0, 100.0)
    share.refuse(5, 10.0, 100.01)
    assert share.value == 10 * BACKOFF
    share.refuse(8, 10.0, 101.0)
    assert share.value == 8 * BACKOFF


@pytest.mark.parametrize(
    ("service_s", "interval_s"), [(0.0, SHORTEST_S), (10.0, 10.0 * PART), (3600.0, LONGEST_S)]
)
def test_tries_follow_the_length_of_a_call_within_bounds(service_s, interval_s):
    share = Share()
    share.refuse(4, service_s, 0.0)
    assert share.interval_s == interval_s


def test_the_bound_is_gone_when_it_is_beyond_all_slots():
    share = Share()
    share.refuse(4, 0.0, 0.0)
    share.forget(8, 0.01)
    assert share.is_bounded
    share.forget(8, 1.0)
    assert not share.is_bounded


def test_who_has_more_yields_more_until_all_have_the_same():
    slots, now, late = 32, 0.0, [0, 0]
    shares, in_flight = [Share(), Share()], [26, 6]
    for turn in range(2000):
        now += 0.02
        for index, share in enumerate(shares):
            allowed = share.allows(now)
            if share.is_bounded:
                # Ends of calls free what it may no longer have.
                in_flight[index] = min(in_flight[index], int(allowed))
            if in_flight[index] + 1 <= allowed:
                if sum(in_flight) < slots:
                    in_flight[index] += 1
                else:
                    share.refuse(in_flight[index], 6.0, now)
            late[index] += in_flight[index] if turn >= 1000 else 0
    assert max(late) <= 1.2 * min(late)
    assert sum(late) >= 0.85 * 1000 * slots

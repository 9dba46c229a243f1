import math

import pytest

from tidegate.balancer.core.share import HOP_S, PART, SHORTEST_S, Share


def test_without_a_refusal_there_is_no_bound():
    share = Share()
    assert not share.is_bounded(5.0)
    assert math.isinf(share.allows(5.0))
    assert share.grows_s(99) < 0.0


def test_after_a_refusal_nothing_is_allowed_and_then_more_with_the_root_of_time():
    share, length_s = Share(), 20.0 * PART
    share.refuse(slots=32, service_s=20.0, now=100.0)
    assert share.allows(100.0) == 0.0
    assert share.allows(100.0 + length_s / 16) == pytest.approx(8, abs=1e-3)
    assert share.allows(100.0 + length_s / 4) == pytest.approx(16, abs=1e-3)
    assert math.isinf(share.allows(100.0 + length_s))


def test_who_has_twice_as_much_asks_four_times_as_late():
    share = Share()
    share.refuse(slots=64, service_s=20.0, now=0.0)
    assert share.grows_s(15) == pytest.approx(4 * share.grows_s(7))


@pytest.mark.parametrize("in_flight", [0, 1, 7, 9, 10, 99])
def test_a_timer_that_fires_when_one_more_is_due_finds_it_due(in_flight):
    share = Share()
    share.refuse(slots=11, service_s=3.1, now=0.1)
    due_s = share.grows_s(in_flight)
    assert due_s >= 0.1 + SHORTEST_S
    assert share.allows(due_s) >= in_flight + 1


@pytest.mark.parametrize(
    ("slots", "service_s", "length_s"),
    [(4, 10.0, 10.0 * PART), (64, 0.15, 64 * HOP_S), (1, 0.0, SHORTEST_S), (0, 0.0, SHORTEST_S)],
)
def test_tries_follow_the_length_of_a_call_and_are_a_hop_apart(slots, service_s, length_s):
    share = Share()
    share.refuse(slots, service_s, now=0.0)
    assert share.length_s == length_s
    assert share.grows_s(slots) == length_s


def test_who_has_more_yields_more_until_all_have_the_same():
    slots, service_s, step_s = 32, 6.0, 0.02
    shares, in_flight, late = [Share(), Share()], [26, 6], [0, 0]
    for turn in range(4000):
        now = turn * step_s
        for index, share in enumerate(shares):
            # A call ends every so often, of the one more often than of the other.
            if turn % max(round(service_s / step_s / max(in_flight[index], 1)), 1) == 0:
                in_flight[index] -= min(in_flight[index], 1)
            if in_flight[index] + 1 <= share.allows(now):
                if sum(in_flight) < slots:
                    in_flight[index] += 1
                else:
                    share.refuse(slots, service_s, now)
            late[index] += in_flight[index] if turn >= 2000 else 0
    assert max(late) <= 1.1 * min(late)
    assert sum(late) >= 0.85 * 2000 * slots

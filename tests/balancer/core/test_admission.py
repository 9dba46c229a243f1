import pytest

from tidegate.balancer.core.admission import (
    Outlook,
    bounds_of,
    expiry_reason,
    is_reachable,
    refusal,
    refusal_while_cold,
)
from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.policy import LanePolicy
from tidegate.balancer.core.verdict import Reason

POLICY = LanePolicy(wait_s=10.0, max_waiting=2)


def outlook(**facts: float) -> Outlook:
    known = {
        "instances": 1,
        "has_room": False,
        "depth": 0,
        "wait_s": 0.0,
        "needs_s": 0.0,
        "in_flight": 1,
    }
    return Outlook(**{**known, **facts})


@pytest.mark.parametrize(
    ("facts", "deadline_s", "reason"),
    [
        ({}, None, None),
        ({"instances": 0}, None, Reason.NO_INSTANCE),
        ({"instances": 0, "ready_s": 110.0, "depth": 1}, None, None),
        ({"instances": 0, "ready_s": 110.1}, None, Reason.WARMING_UP),
        ({"instances": 0, "ready_s": 101.0, "depth": 2}, None, Reason.WARMING_UP),
        ({"depth": 2}, None, Reason.QUEUE_FULL),
        ({"depth": 1}, None, None),
        ({"depth": 2, "has_room": True}, None, None),
        ({"wait_s": 10.1}, None, Reason.WAIT_TOO_LONG),
        ({"wait_s": 10.0}, None, None),
        ({"wait_s": 10.1, "has_room": True}, None, None),
        ({"wait_s": 3.0, "needs_s": 1.0}, 104.0, None),
        ({"wait_s": 3.0, "needs_s": 1.1}, 104.0, Reason.DEADLINE_UNREACHABLE),
        ({"wait_s": 3.0, "needs_s": 1.1, "has_room": True}, 104.0, None),
        ({"needs_s": 9.0, "has_room": True}, 104.0, Reason.DEADLINE_UNREACHABLE),
    ],
)
def test_a_newcomer_is_refused_when_it_would_wait_in_vain(facts, deadline_s, reason):
    assert refusal(outlook(**facts), POLICY, deadline_s, now=100.0) is reason


@pytest.mark.parametrize(
    ("ready_s", "limit_s", "deadline_s", "reason"),
    [
        (None, 99.0, None, Reason.NO_INSTANCE),
        (10.0, 10.0, None, None),
        (10.1, 10.0, None, Reason.WARMING_UP),
        (10.0, 30.0, 12.0, None),
        (10.0, 30.0, 11.9, Reason.WARMING_UP),
    ],
    ids=["none coming", "fits the lane", "too late for the lane", "fits the deadline", "too late"],
)
def test_a_call_waits_for_a_warm_up_that_leaves_time_for_its_answer(
    ready_s, limit_s, deadline_s, reason
):
    assert refusal_while_cold(ready_s, 2.0, limit_s, deadline_s) is reason


@pytest.mark.parametrize(
    ("deadline_s", "in_flight", "reachable"),
    [(None, 1, True), (12.0, 1, True), (11.9, 1, False), (11.9, 0, True)],
    ids=["no deadline", "just in time", "too late", "an idle lane is always tried"],
)
def test_a_call_is_reachable_when_its_service_fits(deadline_s, in_flight, reachable):
    assert is_reachable(deadline_s, 10.0, 2.0, in_flight) is reachable


@pytest.mark.parametrize(
    ("deadline_s", "reason"),
    [(None, Reason.QUEUE_TIMEOUT), (9.0, Reason.QUEUE_TIMEOUT), (8.0, Reason.EXPIRED)],
)
def test_an_expiry_is_the_calls_own_only_if_its_deadline_has_passed(deadline_s, reason):
    assert expiry_reason(deadline_s, now=8.0) is reason


@pytest.mark.parametrize(
    ("is_retried", "is_promised", "are_expected", "bounds"),
    [
        (False, False, False, LanePolicy(30.0, 9)),
        (False, False, True, LanePolicy(27.0, 9)),
        (True, False, False, LanePolicy(24.0, 8)),
        (True, False, True, LanePolicy(24.0, 8)),
        (True, True, True, LanePolicy(30.0, 9)),
    ],
    ids=["first", "first, others expected", "unasked", "unasked, others expected", "promised"],
)
def test_the_end_of_a_lane_is_for_those_who_were_promised_room(
    is_retried, is_promised, are_expected, bounds
):
    call = Call(1, Lane.CHAT, 0.0, is_retried=is_retried)
    found = bounds_of(LanePolicy(30.0, 9), call, is_promised=is_promised, are_expected=are_expected)
    assert found == bounds

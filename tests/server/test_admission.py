import pytest

from tidegate.server.admission import Admission, Permit
from tidegate.server.lane import Lane
from tidegate.server.refusal import Reason, Refusal


@pytest.fixture
def admission():
    return Admission({Lane.SENTIMENT: 2, Lane.CHAT: 1})


def offer(admission, lane=Lane.SENTIMENT, now_s=0.0, jitter=0.0):
    return admission.offer(lane, now_s=now_s, jitter=jitter)


def test_it_tells_how_full_each_lane_is(admission):
    admission.offer(Lane.SENTIMENT, now_s=0.0, jitter=0.0)
    assert admission.utilization == {"sentiment": 0.5, "chat": 0.0}
    assert Admission({Lane.DEGRADED: 0}).utilization == {"degraded": 1.0}


def test_a_lane_takes_as_many_calls_as_it_has_slots(admission):
    permits = [offer(admission), offer(admission)]
    assert all(isinstance(permit, Permit) for permit in permits)
    assert repr(admission) == "<Admission open | sentiment 2/2, chat 0/1>"

    refused = offer(admission)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SLOTS_TAKEN
    assert refused.facts["lane"] == "sentiment"
    assert repr(admission) == "<Admission open | sentiment 2/2, chat 0/1>"


def test_a_full_lane_leaves_the_other_one_open(admission):
    offer(admission, Lane.CHAT)
    assert isinstance(offer(admission, Lane.CHAT), Refusal)
    assert isinstance(offer(admission), Permit)


def test_a_permit_counts_once_however_often_it_is_given_back(admission):
    permit = offer(admission)
    offer(admission)
    permit.give_back(1.0)
    permit.give_back(2.0)
    assert admission.in_flight(Lane.SENTIMENT) == 1
    assert not admission.is_idle


def test_the_hint_follows_what_calls_last(admission):
    for _ in range(60):
        offer(admission).give_back(4.0)
    held = [offer(admission), offer(admission)]
    assert len(held) == 2
    assert offer(admission).pushback_s == pytest.approx(2.0, rel=0.01)


def test_the_hint_is_jittered_upward_only_and_has_bounds(admission):
    offer(admission, Lane.CHAT)
    plain, late = (offer(admission, Lane.CHAT, jitter=jitter).pushback_s for jitter in (0, 1))
    assert plain < late <= 2 * plain
    slow = Admission({Lane.CHAT: 1})
    for _ in range(60):
        offer(slow, Lane.CHAT).give_back(1e6)
    offer(slow, Lane.CHAT)
    assert offer(slow, Lane.CHAT).pushback_s == 30


def test_a_closed_door_refuses_and_running_calls_go_on(admission):
    permit = offer(admission)
    admission.close()
    assert offer(admission).reason is Reason.DRAINING
    permit.give_back(1.0)
    assert admission.is_idle

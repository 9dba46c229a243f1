import pytest

from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.eject import Ejection
from tidegate.balancer.core.instance import TRANSITIONS, Instance, Phase, Registration, Role
from tidegate.balancer.core.limit import WINDOW
from tidegate.balancer.core.ramp import Ramp


def instance(phase: Phase = Phase.HOT, role: Role = Role.BOTH, slots: int = 2) -> Instance:
    slots_by_lane = dict.fromkeys(Lane, slots)
    return Instance(Registration("a", "host:1", phase, role, slots_by_lane), Ejection(3, 5.0, 60.0))


@pytest.mark.parametrize(
    ("before", "after", "legal"),
    [
        (Phase.WARMING, Phase.HOT, True),
        (Phase.HOT, Phase.HOT, True),
        (Phase.HOT, Phase.WARMING, True),
        (Phase.HOT, Phase.DRAINING, True),
        (Phase.DRAINING, Phase.HOT, False),
        (Phase.DRAINING, Phase.WARMING, False),
        (Phase.GONE, Phase.HOT, False),
    ],
)
def test_a_process_moves_through_its_life_one_way(before, after, legal):
    assert before.may_become(after) is legal


def test_every_phase_has_its_row_in_the_table_and_may_go():
    assert set(TRANSITIONS) == set(Phase)
    assert all(Phase.GONE in after for phase, after in TRANSITIONS.items() if phase.value != "gone")


@pytest.mark.parametrize(
    ("role", "lanes"),
    [
        (Role.BOTH, set(Lane)),
        (Role.SENTIMENT, {Lane.SENTIMENT}),
        (Role.CHAT, {Lane.CHAT, Lane.DEGRADED}),
    ],
)
def test_a_role_decides_which_lanes_are_served(role, lanes):
    assert {lane for lane in Lane if instance(role=role).serves(lane)} == lanes


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.HOT])
def test_only_a_hot_instance_has_room(phase):
    assert not instance(phase).has_room(Lane.CHAT, 0.0)


def test_a_lane_has_room_for_as_many_calls_as_it_has_slots():
    it = instance(slots=2)
    it.in_flight[Lane.CHAT] = 1
    assert it.has_room(Lane.CHAT, 0.0)
    it.in_flight[Lane.CHAT] = 2
    assert not it.has_room(Lane.CHAT, 0.0)
    assert it.has_room(Lane.SENTIMENT, 0.0)
    assert not instance(slots=0).has_room(Lane.CHAT, 0.0)


def test_an_instance_on_probation_takes_one_call_at_a_time():
    it = instance()
    changes = [it.learn(Lane.CHAT, Outcome.LOST, 0.0) for _ in range(3)]
    assert changes == [None, None, Change("a", "trusted", "ejected", "unreachable, out 5 s")]
    assert 5.0 in it.ends_s(Lane.CHAT, 1.0)
    assert it.has_room(Lane.SENTIMENT, 5.0)
    it.in_flight[Lane.CHAT] = 1
    assert not it.has_room(Lane.SENTIMENT, 5.0)
    assert it.learn(Lane.CHAT, Outcome.CANCELLED, 6.0) is None
    assert it.ejection.is_on_probation(6.0)
    change = it.learn(Lane.CHAT, Outcome.FULL, 6.0)
    assert change == Change("a", "ejected", "trusted", "answered")


def test_a_refusal_holds_back_the_lane_alone():
    it = instance()
    assert it.ends_s(Lane.CHAT, 1.0) == [0.0]
    it.learn(Lane.CHAT, Outcome.REFUSED, 1.0)
    assert not it.has_room(Lane.CHAT, 1.0)
    assert it.has_room(Lane.SENTIMENT, 1.0)
    assert it.has_room(Lane.CHAT, it.ends_s(Lane.CHAT, 1.0)[0])


def test_a_fresh_instance_has_room_for_one_more_as_its_ramp_grows():
    it = instance(slots=3)
    it.warm_up(Ramp(0.0, 30.0))
    it.in_flight[Lane.CHAT] = 1
    assert not it.has_room(Lane.CHAT, 14.9)
    assert it.ends_s(Lane.CHAT, 14.9) == [0.0, 15.0]
    assert it.has_room(Lane.CHAT, 15.0)
    assert not it.settle(29.9)
    assert it.settle(30.0)
    assert it.limit(Lane.CHAT, 30.0) == 3


def test_an_instance_that_is_slow_gets_less_than_its_slots_and_the_change_is_told():
    it = instance(slots=4)
    told = [it.adapt(Lane.CHAT, Outcome.FULL, 3.0) for _ in range(WINDOW)]
    change = Change("a", "chat limit 4", "chat limit 3", "answers take 3.0 times as long as usual")
    assert told == [None] * (WINDOW - 1) + [change]
    it.in_flight[Lane.CHAT] = 3
    assert not it.has_room(Lane.CHAT, 0.0)
    assert it.limit(Lane.SENTIMENT, 0.0) == 4


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.CANCELLED, Outcome.LOST])
def test_what_is_no_answer_says_nothing_about_speed(outcome):
    it = instance(slots=4)
    assert [it.adapt(Lane.CHAT, outcome, 9.0) for _ in range(WINDOW)] == [None] * WINDOW
    assert it.limit(Lane.CHAT, 0.0) == 4

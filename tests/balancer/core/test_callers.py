"""Who may do what, how often, and with what part of a lane."""

import pytest

from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.callers import MOST, Callers
from tidegate.balancer.core.lanes import Waiter, WaitingRoom
from tidegate.balancer.core.permit import FleetRight, Objection, Permit, objection
from tidegate.balancer.core.rate import Rate
from tidegate.balancer.core.turns import Turns

NARROW = Permit(lanes=frozenset({Lane.SENTIMENT}), largest_bytes=10, may_prompt=False)


@pytest.mark.parametrize(
    ("permit", "lane", "size", "prompts", "against"),
    [
        (Permit(), Lane.CHAT, 10**9, True, None),
        (NARROW, Lane.SENTIMENT, 10, False, None),
        (NARROW, Lane.CHAT, 1, False, Objection.LANE),
        (NARROW, Lane.SENTIMENT, 11, False, Objection.SIZE),
        (NARROW, Lane.SENTIMENT, 1, True, Objection.PROMPT),
        (NARROW, Lane.CHAT, 11, True, Objection.LANE),
    ],
)
def test_a_call_is_held_to_its_callers_permit(permit, lane, size, prompts, against):
    assert objection(permit, lane, size, prompts=prompts) is against


def test_who_may_operate_may_look_and_not_the_other_way_round():
    rights = (FleetRight.NONE, FleetRight.LOOK, FleetRight.OPERATE)
    allowed = [[have.allows(wanted) for wanted in rights] for have in rights]
    assert allowed == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_rate_lets_a_second_s_worth_go_at_once_and_then_so_many_a_second():
    rate = Rate(4.0, 100.0)
    assert [rate.take(100.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]
    assert rate.take(100.2) == pytest.approx(0.05)
    assert rate.take(100.25) == 0.0
    assert rate.take(200.0) == 0.0
    assert repr(rate) == "<Rate 4/s, 3.0 left>"


def test_a_rate_below_one_lets_one_call_go():
    rate = Rate(0.1, 0.0)
    assert (rate.take(0.0), rate.take(0.0), rate.take(10.0)) == (0.0, 10.0, 0.0)


def test_a_caller_keeps_its_rate_from_call_to_call():
    callers = Callers({"a": Permit(per_s=1.0)}, {}, Permit())
    rate = callers.named("a", 0.0).rate
    assert rate is not None
    assert rate is callers.named("a", 1.0).rate
    assert callers.named("b", 0.0).rate is None
    assert repr(callers) == "<Callers 1 named, 2 met>"


def test_any_certificate_is_a_caller_by_its_name_until_some_are_listed():
    open_to_all = Callers({}, {}, NARROW)
    found = open_to_all.certified(("spiffe://a", "a.test"), 0.0)
    assert found is not None
    assert (found.name, found.permit) == ("spiffe://a", NARROW)
    assert open_to_all.certified((), 0.0) is None
    assert open_to_all.certified(("spiffe://a",), 1.0) is found

    # Who is called like a table by a certificate's maker has not what that table gives.
    named = Callers({"ops": Permit(fleet=FleetRight.OPERATE)}, {}, NARROW)
    found = named.certified(("ops",), 0.0)
    assert found is not None
    assert found.permit is NARROW
    assert named.named("ops", 0.0).permit.fleet is FleetRight.OPERATE

    listed = Callers({"tickets": Permit()}, {"a.test": "tickets"}, NARROW)
    found = listed.certified(("spiffe://a", "a.test"), 0.0)
    assert found is not None
    assert found.name == "tickets"
    assert listed.certified(("spiffe://b",), 0.0) is None


def test_callers_without_end_do_not_grow_what_is_remembered():
    callers = Callers({}, {}, Permit(per_s=1.0))
    first = callers.named("0", 0.0)
    for number in range(1, MOST):
        callers.named(str(number), 0.0)
    assert callers.named("0", 0.0) is first
    callers.named("one more", 0.0)
    assert callers.named("0", 0.0) is not first
    assert repr(callers) == f"<Callers 0 named, {MOST} met>"


def test_a_caller_with_twice_the_part_gets_twice_the_work():
    it = Turns({"b": 2.0})
    for caller in "ab":
        it.join(caller)
    lines = {caller: [(caller, index) for index in range(6)] for caller in "ab"}
    order = it.order(lines, place=lambda call: call, work=lambda _: 1.0)
    assert "".join(caller for caller, _ in order)[:9] == "abbabbabb"
    it.charge("a", 1.0)
    it.charge("b", 2.0)
    order = it.order(lines, place=lambda call: call, work=lambda _: 1.0)
    assert next(order)[0] == "a"


def test_what_is_ahead_of_a_caller_follows_the_parts():
    it = Turns({"big": 4.0})
    it.join("big")
    it.charge("big", 40.0)
    assert it.ahead("small", 0, {"big": 50}) == 1
    it.join("small")
    assert it.ahead("small", 2, {"big": 50, "small": 2}) == 2 + 9
    assert it.ahead("big", 8, {"big": 8, "small": 50}) == 8 + 3


def test_a_room_serves_its_callers_by_their_parts():
    room = WaitingRoom({"b": 2.0})
    for number in range(12):
        call = Call(number, Lane.CHAT, 0.0, caller="ab"[number % 2])
        room.put(Waiter(call, 30.0, number))
    served = []
    while room:
        waiter = next(iter(room))
        served.append(waiter.call.caller)
        room.serve(waiter)
    assert served[:9].count("b") == 6

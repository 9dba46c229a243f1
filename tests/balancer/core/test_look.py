from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.eject import Ejection
from tidegate.balancer.core.instance import Instance, Phase, Registration, Role
from tidegate.balancer.core.look import (
    ASSUMED_SLOTS,
    Fleet,
    Press,
    busiest,
    lanes_for,
    look,
    slots_of,
)
from tidegate.balancer.core.scale import RoleView

SENTIMENT, CHAT = Lane.SENTIMENT, Lane.CHAT
OURS = "process@here"


def instance(
    name: str,
    phase: Phase = Phase.HOT,
    role: Role = Role.BOTH,
    launched_by: str = "",
    **in_flight: int,
) -> Instance:
    slots = {SENTIMENT: 16, CHAT: 8}
    registration = Registration(name, "h:1", phase, role, slots, launched_by=launched_by)
    made = Instance(registration, Ejection(3, 5.0, 60.0))
    for lane, count in in_flight.items():
        made.in_flight[Lane(lane)] = count
    return made


def seen(*instances: Instance, kept: int = 0, drained: str = "", **press: Press) -> RoleView:
    fleet = Fleet(instances, OURS, frozenset(drained.split()))
    asked = {Lane(lane): each for lane, each in press.items()}
    return look(Role.BOTH, fleet, kept, asked, ASSUMED_SLOTS)


def test_permanent_instances_count_beside_those_that_the_launcher_keeps():
    view = seen(
        instance("a"),
        instance("b", Phase.WARMING),
        instance("c", launched_by=OURS),
        instance("d", launched_by="process@elsewhere"),
        instance("e", Phase.DRAINING),
        instance("f", role=Role.CHAT),
        kept=2,
    )
    assert (view.launched, view.hot, view.warming, view.draining) == (3 + 2, 3, 1, 1)
    assert view.starting == 2


def test_one_that_an_operator_drained_is_not_one_that_starts():
    view = seen(instance("a", Phase.DRAINING, launched_by=OURS), kept=1, drained="a")
    assert (view.launched, view.starting) == (0, 0)
    # Gone already by the launcher's count.
    assert seen(instance("a", Phase.DRAINING, launched_by=OURS), drained="a").launched == 0


def test_the_lane_with_the_largest_share_in_use_counts_in_slots_of_chat():
    view = seen(instance("a", sentiment=15, chat=2))
    assert (view.slots, view.in_flight) == (8, 8)
    view = seen(instance("a", sentiment=1, chat=2), chat=Press(waiting=3, turned_away=1))
    assert (view.in_flight, view.waiting, view.turned_away) == (2, 3, 1)


def test_what_other_balancers_have_there_counts_too():
    view = seen(instance("a", chat=2), chat=Press(in_flight=4, estimated_wait_s=1.5))
    assert (view.in_flight, view.estimated_wait_s) == (6, 1.5)


def test_of_a_role_without_instances_slots_are_assumed_and_else_the_smallest_count():
    assert seen().slots == 8
    big, small = instance("a"), instance("b")
    small.slots[CHAT] = 2
    assert slots_of([big, small]) == {SENTIMENT: 16, CHAT: 2}
    assert slots_of([instance("c", role=Role.CHAT)]) == {CHAT: 8}


def test_a_role_for_sentiment_alone_counts_in_its_own_slots():
    fleet = Fleet((instance("a", role=Role.SENTIMENT, sentiment=3),), OURS)
    view = look(Role.SENTIMENT, fleet, 0, {}, ASSUMED_SLOTS)
    assert (view.slots, view.in_flight) == (16, 3)


def test_waiting_calls_are_for_the_role_that_serves_nothing_else():
    assert lanes_for(Role.BOTH, [Role.BOTH]) == (SENTIMENT, CHAT)
    assert lanes_for(Role.BOTH, [Role.BOTH, Role.CHAT]) == (SENTIMENT,)
    assert lanes_for(Role.CHAT, [Role.BOTH, Role.CHAT]) == (CHAT,)
    assert lanes_for(Role.SENTIMENT, [Role.SENTIMENT]) == (SENTIMENT,)


def test_those_that_are_registered_stand_in_for_a_launcher_that_was_not_asked():
    fleet = Fleet((instance("a", launched_by=OURS), instance("b")), OURS)
    assert (fleet.registered(Role.BOTH), fleet.permanent(Role.BOTH)) == (1, 1)


def test_what_is_a_whole_number_of_slots_stays_one():
    """As a ratio of floats, 7 of 7 slots for labels would be 30 of 29 for chats."""
    for sentiment in range(1, 60):
        for chat in range(1, 60):
            slots = {SENTIMENT: sentiment, CHAT: chat}
            asked = {SENTIMENT: Press(in_flight=sentiment), CHAT: Press()}
            assert busiest(asked, slots) == (chat, Press(in_flight=chat))

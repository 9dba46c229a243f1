import random

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.eject import Ejection
from tidegate.balancer.core.instance import Instance, Phase, Registration
from tidegate.balancer.core.route import least_outstanding, outstanding_s

SERVICE_S = {Lane.SENTIMENT: 0.1, Lane.CHAT: 4.0}


def instance(name: str, sentiment: int = 0, chat: int = 0, slots: int = 2) -> Instance:
    registration = Registration(name, name, Phase.HOT, slots=dict.fromkeys(Lane, slots))
    in_flight = {Lane.SENTIMENT: sentiment, Lane.CHAT: chat}
    return Instance(registration, Ejection(3, 5.0, 60.0), in_flight)


def test_work_counts_in_seconds_and_not_in_calls():
    busy, quiet = instance("busy", chat=1), instance("quiet", sentiment=2)
    assert least_outstanding([busy, quiet], Lane.CHAT, SERVICE_S, random.Random(1)) is quiet


def test_a_wider_instance_has_less_ahead_of_it():
    narrow, wide = instance("narrow", chat=1, slots=1), instance("wide", chat=1, slots=4)
    assert least_outstanding([narrow, wide], Lane.CHAT, SERVICE_S, random.Random(1)) is wide


def test_without_estimates_counts_decide():
    unknown = dict.fromkeys(Lane, 0.0)
    assert outstanding_s(instance("a", sentiment=1, chat=1), unknown) == 1.0


def test_a_lane_without_slots_adds_nothing():
    assert outstanding_s(instance("a", chat=1, slots=0), SERVICE_S) == 0.0


def test_ties_are_broken_at_random():
    instances = [instance("a"), instance("b"), instance("c")]
    rng = random.Random(1)
    chosen = {least_outstanding(instances, Lane.CHAT, SERVICE_S, rng).id for _ in range(50)}
    assert chosen == {"a", "b", "c"}


def test_there_is_no_choice_without_instances():
    assert least_outstanding([], Lane.CHAT, SERVICE_S, random.Random(1)) is None


def test_a_label_keeps_away_from_labels_however_many_chats_run_elsewhere():
    labels, chats = instance("labels", sentiment=1), instance("chats", chat=2)
    for lane in (Lane.SENTIMENT, Lane.DEGRADED):
        assert least_outstanding([labels, chats], lane, SERVICE_S, random.Random(1)) is chats
    fewer = instance("fewer", chat=1)
    assert least_outstanding([chats, fewer], Lane.SENTIMENT, SERVICE_S, random.Random(1)) is fewer

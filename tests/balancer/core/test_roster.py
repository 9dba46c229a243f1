from math import inf

import pytest

from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.instance import Instance, Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.roster import Roster


def roster() -> Roster:
    return Roster(Policy(eject_after=1))


def registration(name: str, phase: Phase = Phase.HOT, address: str = "h:1") -> Registration:
    return Registration(name, address, phase, slots=dict.fromkeys(Lane, 1))


def lose(it: Roster, instance: Instance) -> None:
    """A call to the instance is lost, at 0 s."""
    instance.learn(Lane.CHAT, Outcome.LOST, 0.0)
    it.note(instance)


def test_what_changed_is_told_once():
    it = roster()
    assert it.observe([registration("a", Phase.WARMING)], "why", 0.0) == [
        Change("a", "gone", "warming", "why")
    ]
    assert it.observe([registration("a")], "why", 0.0) == [Change("a", "warming", "hot", "why")]
    assert it.observe([registration("a")], "why", 0.0) == []
    assert it.observe([], "why", 0.0) == [Change("a", "hot", "gone", "why")]
    assert str(it) == "empty"


def test_the_roster_reads_as_counts_by_phase():
    it = roster()
    it.observe([registration("a", Phase.WARMING), registration("b"), registration("c")], "", 0.0)
    assert str(it) == "2 hot, 1 warming"


def test_another_process_under_the_same_id_starts_with_a_clean_record():
    it = roster()
    it.observe([registration("a", Phase.DRAINING)], "", 0.0)
    (old,) = it
    it.observe([registration("a")], "", 0.0)
    (new,) = it
    assert new is not old
    it.observe([registration("a", address="h:2")], "", 0.0)
    (moved,) = it
    assert moved is not new


def test_an_instance_that_is_hot_again_is_trusted_again():
    it = roster()
    it.observe([registration("a")], "", 0.0)
    (instance,) = it
    lose(it, instance)
    it.observe([registration("a")], "", 0.0)
    assert instance.ejection.is_out(1.0)
    it.observe([registration("a", Phase.WARMING)], "", 0.0)
    it.observe([registration("a")], "", 0.0)
    assert not instance.ejection.is_out(1.0)


def test_the_last_living_instance_is_never_left_alone():
    it = roster()
    it.observe([registration("a"), registration("b")], "", 0.0)
    first, second = it
    lose(it, first)
    assert it.eligible(Lane.CHAT, 1.0) == [second]
    lose(it, second)
    assert it.eligible(Lane.CHAT, 1.0) == [first, second]


def ramps(it: Roster) -> dict[str, bool]:
    return {each.id: each.ramp is not None for each in it}


def test_one_that_becomes_hot_beside_others_is_fresh():
    it = roster()
    it.observe([registration("a"), registration("b", Phase.WARMING)], "", 0.0)
    it.observe([registration("a"), registration("b")], "", 5.0)
    assert ramps(it) == {"a": False, "b": True}
    _, fresh = it
    assert (fresh.limit(Lane.CHAT, 5.0), fresh.ends_s(Lane.CHAT, 5.0)) == (1, [0.0])


def test_one_that_was_hot_when_it_was_first_seen_is_not_fresh():
    it = roster()
    it.observe([registration("a"), registration("b")], "", 0.0)
    it.observe([registration("a"), registration("b"), registration("c")], "", 9.0)
    assert ramps(it) == {"a": False, "b": False, "c": False}


def test_those_who_are_alone_take_all_at_once():
    it = roster()
    it.observe([registration("a", Phase.WARMING)], "", 0.0)
    it.observe([registration("a")], "", 5.0)
    assert ramps(it) == {"a": False}
    it.observe([registration("a"), registration("b", Phase.WARMING)], "", 6.0)
    it.observe([registration("a"), registration("b")], "", 7.0)
    it.observe([registration("b")], "", 8.0)
    assert ramps(it) == {"b": False}


@pytest.mark.parametrize(
    ("hot_s", "fresh"),
    [
        ([0.0, 0.0, 0.0], ""),
        ([0.0, 3.0, 29.9], ""),
        ([0.0, 3.0, 30.0], "c"),
        ([0.0, 30.0, 31.0], "bc"),
        ([-inf, 3.0, 50.0], "bc"),
    ],
    ids=["at once", "one after another", "a late one", "two late ones", "hot before us"],
)
def test_a_fleet_that_starts_as_a_whole_has_nobody_to_ramp_against(hot_s, fresh):
    it, became_hot = roster(), dict(zip("abc", hot_s, strict=True))
    for now in (0.0, *sorted(set(hot_s))):
        phases = {
            name: Phase.HOT if at_s <= now else Phase.WARMING for name, at_s in became_hot.items()
        }
        if now == 0.0 and min(hot_s) == 0.0:
            it.observe([registration(name, Phase.WARMING) for name in phases], "", 0.0)
        it.observe([registration(name, phase) for name, phase in phases.items()], "", max(now, 0.0))
    assert "".join(name for name, is_fresh in ramps(it).items() if is_fresh) == fresh


def test_without_slow_start_nobody_is_fresh():
    it = Roster(Policy(slow_start_s=0.0))
    it.observe([registration("a"), registration("b", Phase.WARMING)], "", 0.0)
    it.observe([registration("a"), registration("b")], "", 5.0)
    assert ramps(it) == {"a": False, "b": False}

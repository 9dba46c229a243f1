from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.roster import Roster


def roster() -> Roster:
    return Roster(Policy(eject_after=1))


def registration(name: str, phase: Phase = Phase.HOT, address: str = "h:1") -> Registration:
    return Registration(name, address, phase, slots=dict.fromkeys(Lane, 1))


def test_what_changed_is_told_once():
    it = roster()
    assert it.observe([registration("a", Phase.WARMING)], "why") == [
        Change("a", "gone", "warming", "why")
    ]
    assert it.observe([registration("a")], "why") == [Change("a", "warming", "hot", "why")]
    assert it.observe([registration("a")], "why") == []
    assert it.observe([], "why") == [Change("a", "hot", "gone", "why")]
    assert str(it) == "empty"


def test_the_roster_reads_as_counts_by_phase():
    it = roster()
    it.observe([registration("a", Phase.WARMING), registration("b"), registration("c")], "")
    assert str(it) == "2 hot, 1 warming"


def test_another_process_under_the_same_id_starts_with_a_clean_record():
    it = roster()
    it.observe([registration("a", Phase.DRAINING)], "")
    (old,) = it
    it.observe([registration("a")], "")
    (new,) = it
    assert new is not old
    it.observe([registration("a", address="h:2")], "")
    (moved,) = it
    assert moved is not new


def test_an_instance_that_is_hot_again_is_trusted_again():
    it = roster()
    it.observe([registration("a")], "")
    (instance,) = it
    instance.ejection.fail(0.0)
    it.observe([registration("a")], "")
    assert instance.ejection.is_out(1.0)
    it.observe([registration("a", Phase.WARMING)], "")
    it.observe([registration("a")], "")
    assert not instance.ejection.is_out(1.0)


def test_the_last_living_instance_is_never_left_alone():
    it = roster()
    it.observe([registration("a"), registration("b")], "")
    first, second = it
    first.ejection.fail(0.0)
    assert it.eligible(Lane.CHAT, 1.0) == [second]
    second.ejection.fail(0.0)
    assert it.eligible(Lane.CHAT, 1.0) == [first, second]

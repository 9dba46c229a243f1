"""The membership with instances that an operator drained."""

from dataclasses import replace

from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.drains import Drains


def hot(name: str) -> Registration:
    return Registration(id=name, address=f"{name}:1", phase=Phase.HOT)


def phases(drains: Drains) -> dict[str, Phase]:
    return {each.id: each.phase for each in drains.registrations}


def test_a_drained_instance_stays_so_while_it_is_known():
    drains = Drains()
    drains.take([hot("a"), hot("b")])
    assert drains.drain("a")
    assert phases(drains) == {"a": Phase.DRAINING, "b": Phase.HOT}
    drains.take([hot("a"), hot("b"), hot("c")])
    assert phases(drains) == {"a": Phase.DRAINING, "b": Phase.HOT, "c": Phase.HOT}
    assert repr(drains) == "<Drains 1 of 3>"


def test_those_that_run_on_are_told_apart_from_those_that_are_leaving():
    drains = Drains()
    drains.take([hot("a"), hot("b")])
    drains.drain("a")
    drains.drain("b")
    assert drains.by_hand == {"a", "b"}
    drains.take([hot("a"), replace(hot("b"), phase=Phase.DRAINING)])
    assert drains.by_hand == {"a"}


def test_one_that_left_and_came_back_is_another_instance():
    drains = Drains()
    drains.take([hot("a")])
    drains.drain("a")
    drains.take([])
    drains.take([hot("a")])
    assert phases(drains) == {"a": Phase.HOT}


def test_an_instance_that_nobody_knows_is_not_drained():
    drains = Drains()
    drains.take([hot("a")])
    assert not drains.drain("b")
    drains.take([hot("a"), hot("b")])
    assert phases(drains) == {"a": Phase.HOT, "b": Phase.HOT}

"""Stories of the simulated launcher: what is started, stopped and counted."""

import random

import pytest

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase, Role
from tidegate.balancer.simulation.clock import Clock
from tidegate.balancer.simulation.launcher import CLEAN_UP_S, Launcher
from tidegate.balancer.simulation.machine import Machine
from tidegate.balancer.simulation.registry import Entry, Registry
from tidegate.balancer.simulation.starts import Starts
from tidegate.balancer.simulation.work import Engine, Work

STEADY = Starts(spread=0.0)


class Story:
    def __init__(self, starts: Starts = STEADY, cold: int = 3) -> None:
        self.clock = Clock()
        self.registry = Registry(self.clock, random.Random(1), 1.0)
        slots = {Lane.SENTIMENT: 2, Lane.CHAT: 2, Lane.DEGRADED: 1}
        for number in range(cold):
            machine = Machine(
                f"cold-{number}", slots, Engine(), self.clock, random.Random(1), is_alive=False
            )
            entry = Entry(machine, Role.BOTH, Phase.COLD, is_listed=False, is_permanent=False)
            self.registry.entries.append(entry)
        everyone = {Role.BOTH: self.registry.entries}
        self.launcher = Launcher(starts, 10.0, everyone, 1, self.registry, random.Random(1))

    def keep(self, count: int) -> None:
        self.launcher.keep(Role.BOTH, count)

    def phases(self, at_s: float) -> list[Phase]:
        self.clock.run_until(at_s)
        return [each.phase for each in self.registry.entries if each.is_listed]


def test_a_start_is_warming_and_then_hot():
    story = Story()
    story.keep(2)
    assert story.phases(9.9) == [Phase.WARMING] * 2
    assert story.phases(10.0) == [Phase.HOT] * 2
    assert (story.launcher.count(Role.BOTH), story.launcher.begun) == (2, 2)


def test_no_more_are_started_than_there_are():
    story = Story(cold=1)
    story.keep(5)
    assert story.launcher.count(Role.BOTH) == 1


def test_those_that_are_not_hot_yet_are_stopped_first():
    story = Story()
    story.keep(1)
    assert story.phases(10.0) == [Phase.HOT]
    story.keep(2)
    story.keep(1)
    assert story.phases(30.0) == [Phase.HOT]


def test_who_is_stopped_ends_what_runs_first():
    story = Story()
    story.keep(1)
    story.clock.run_until(10.0)
    ended = []
    story.registry.entries[0].machine.start(Lane.SENTIMENT, Work(4.0, 0.0), ended.append)
    story.keep(0)
    assert story.phases(13.9) == [Phase.DRAINING]
    assert story.launcher.count(Role.BOTH) == 0
    assert story.phases(14.2 + CLEAN_UP_S) == []
    assert len(ended) == 1
    story.keep(1)
    assert story.phases(16.0) == [Phase.WARMING]


def test_a_start_that_fails_is_told_once_and_is_not_kept():
    story = Story(Starts(spread=0.0, broken=((0.0, 60.0),)))
    story.keep(2)
    assert story.phases(5.0) == []
    assert story.launcher.take_failure(Role.BOTH)
    assert not story.launcher.take_failure(Role.BOTH)
    assert (story.launcher.count(Role.BOTH), story.launcher.failed) == (0, 2)
    story.clock.run_until(60.0)
    story.keep(1)
    assert story.phases(70.0) == [Phase.HOT]


def test_hours_count_whatever_runs_and_the_permanent_ones():
    story = Story()
    story.keep(1)
    story.clock.run_until(20.0)
    story.keep(0)
    story.clock.run_until(100.0)
    story.launcher.hours.change(0, 100.0)
    assert story.launcher.hours.total_s == pytest.approx(100.0 + 20.0 + CLEAN_UP_S)


def test_starts_are_drawn_around_the_usual_time_and_some_are_slow():
    rng, starts = random.Random(1), Starts(spread=0.2, slow=0.5, slow_times=10)
    fates = [starts.fate(10.0, 0.0, rng) for _ in range(200)]
    usual = [fate.after_s for fate in fates if fate.after_s <= 12.0]
    assert min(usual) >= 8.0
    assert 60 < len(usual) < 140
    assert all(80.0 <= fate.after_s <= 120.0 for fate in fates if fate.after_s > 12.0)
    assert not any(fate.fails for fate in fates)
    always = Starts(fails=1.0)
    assert always.fate(10.0, 0.0, rng).fails

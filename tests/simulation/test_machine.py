import random

import pytest

from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.simulation.clock import Clock
from tidegate.balancer.simulation.machine import HOP_S, Machine
from tidegate.balancer.simulation.work import Engine, Work

ENGINE = Engine(reply_token_s=0.1, chat_crowding=0.5, sentiment_crowding=0.25)
SLOTS = {Lane.SENTIMENT: 2, Lane.CHAT: 2, Lane.DEGRADED: 1}
CHAT = Work(prompt_s=1.0, reply_s=4.0)


class Story:
    def __init__(self) -> None:
        self.clock = Clock()
        self.machine = Machine("a", SLOTS, ENGINE, self.clock, random.Random(1))
        self.ends: list[tuple[str, Outcome, float]] = []

    def start(self, name: str, lane: Lane, work: Work = CHAT):
        def note(outcome: Outcome) -> None:
            self.ends.append((name, outcome, round(self.clock.now_s, 3)))

        return self.machine.start(lane, work, note)


def test_a_call_alone_takes_what_its_work_says():
    story = Story()
    story.start("chat", Lane.CHAT)
    story.clock.run_until(10)
    assert story.ends == [("chat", Outcome.FULL, 5.0)]


def test_two_chats_slow_each_other_down_by_their_crowding():
    story = Story()
    story.start("one", Lane.CHAT)
    story.start("two", Lane.CHAT)
    story.clock.run_until(20)
    (_, _, first_s), (_, _, second_s) = story.ends
    # All of it but the first step at 1.5 times the length.
    assert first_s == pytest.approx(7.5, abs=0.2)
    assert first_s <= second_s <= 7.6


def test_a_sentiment_enters_at_the_next_step_of_a_running_chat():
    story = Story()
    story.start("chat", Lane.CHAT)
    story.clock.run_until(2)
    story.start("label", Lane.SENTIMENT, Work(0.2, 0.0))
    story.clock.run_until(10)
    name, outcome, at_s = story.ends[0]
    assert (name, outcome) == ("label", Outcome.FULL)
    assert 0.2 * 1.25 <= at_s - 2 <= (0.2 + 0.1) * 1.25 + 1e-9


def test_a_short_answer_writes_nothing():
    story = Story()
    story.start("short", Lane.DEGRADED)
    story.clock.run_until(10)
    assert story.ends == [("short", Outcome.DEGRADED, 1.0)]


def test_a_call_beyond_the_slots_is_refused_before_any_work():
    story = Story()
    for name in ("one", "two", "three"):
        story.start(name, Lane.CHAT)
    story.clock.run_until(1)
    assert story.ends == [("three", Outcome.REFUSED, HOP_S)]
    assert story.machine.running[Lane.CHAT] == 2


def test_the_slot_of_a_caller_who_left_is_free_one_step_later():
    story = Story()
    run = story.start("one", Lane.CHAT)
    story.clock.run_until(2)
    story.machine.stop(run)
    assert story.machine.running[Lane.CHAT] == 1
    story.clock.run_until(2.11)
    assert story.machine.running[Lane.CHAT] == 0
    story.clock.run_until(10)
    assert story.ends == []


def test_a_death_cuts_replies_that_had_begun_and_loses_the_rest():
    story = Story()
    story.start("begun", Lane.CHAT, Work(0.1, 4.0))
    story.start("reading", Lane.CHAT, Work(3.0, 1.0))
    story.start("label", Lane.SENTIMENT, Work(3.0, 0.0))
    story.clock.run_until(1)
    story.machine.die()
    assert {name: outcome for name, outcome, _ in story.ends} == {
        "begun": Outcome.CUT,
        "reading": Outcome.LOST,
        "label": Outcome.LOST,
    }
    assert not any(story.machine.running.values())
    story.start("late", Lane.CHAT)
    story.clock.run_until(2)
    assert story.ends[-1] == ("late", Outcome.LOST, 1 + HOP_S)


def test_a_hanging_instance_goes_on_where_it_stopped():
    story = Story()
    story.start("chat", Lane.CHAT)
    story.clock.run_until(2)
    story.machine.change(speed=0.0)
    story.clock.run_until(100)
    assert story.ends == []
    story.machine.change(speed=0.5)
    story.clock.run_until(200)
    assert story.ends == [("chat", Outcome.FULL, 106.0)]

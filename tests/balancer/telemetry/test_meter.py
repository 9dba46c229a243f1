"""What the meter makes of the changes that the core reports, by the core's own words."""

import random

from prometheus_client import CollectorRegistry

from tidegate.balancer.core.call import Call, Lane, Outcome
from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send
from tidegate.balancer.telemetry.meter import Meter


def test_a_limit_that_is_narrowed_and_widened_again_is_counted_by_lane():
    registry = CollectorRegistry()
    meter, pool = Meter(registry), Pool(Policy(slow_start_s=0), random.Random(1))
    slots = {Lane.CHAT: 4}
    pool.observe([Registration("a", "a:1", Phase.HOT, slots=slots)], "test", 0.0)
    now = 0.0

    def play(took_s: float) -> None:
        nonlocal now
        now += 2.0
        send = pool.offer(Call(int(now), Lane.CHAT, now), now)
        assert isinstance(send, Send)
        now += took_s
        pool.finish(send, Outcome.FULL, now)
        for change in pool.take_changes():
            meter.changed(change)

    def changes(direction: str) -> float | None:
        labels = {"lane": "chat", "direction": direction}
        return registry.get_sample_value("tidegate_limit_changes_total", labels)

    for took_s in [1.0] * 64 + [5.0] * 16:
        play(took_s)
    assert (changes("narrowed"), changes("widened")) == (1, 0)
    for _ in range(16):
        play(1.0)
    assert (changes("narrowed"), changes("widened")) == (1, 1)


def test_nothing_is_kept_of_calls_that_are_over():
    meter = Meter(CollectorRegistry())
    pool = Pool(Policy(slow_start_s=0), random.Random(1))
    pool.observe([Registration("a", "a:1", Phase.HOT, slots={Lane.CHAT: 1})], "test", 0.0)
    sends = []
    for number in range(200):
        verdict = pool.offer(Call(number, Lane.CHAT, 0.0), 0.0)
        meter.offered(verdict, 0.0)
        sends += [verdict] if isinstance(verdict, Send) else []
    while sends:
        send = sends.pop()
        outcome = Outcome.REFUSED if send.call.id % 3 == 0 else Outcome.LOST
        verdicts = pool.finish(send, outcome, 1.0)
        meter.finished(send, outcome, 1.0)
        for verdict in verdicts:
            meter.decided(verdict, 1.0)
            sends += [verdict] if isinstance(verdict, Send) else []
    for verdict in pool.close(2.0):
        meter.decided(verdict, 2.0)
    assert (meter._estimates_s, meter._again) == ({}, {})

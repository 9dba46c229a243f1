"""However callers come and go, no slot is given twice and none is lost."""

import random

from tidegate.balancer.core.call import Call, Lane, Outcome
from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send, Shed

CANCELS = 100_000
SLOTS = {Lane.SENTIMENT: 3, Lane.CHAT: 2, Lane.DEGRADED: 1}


def test_a_hundred_thousand_random_cancels_give_no_slot_twice():
    rng = random.Random(1)
    pool = Pool(Policy(), rng)
    names = ["a", "b"]
    pool.observe([Registration(name, name, Phase.HOT, slots=SLOTS) for name in names], "start", 0.0)
    sends: dict[int, Send] = {}
    waiting: dict[int, Call] = {}

    def take(verdicts):
        for verdict in verdicts:
            waiting.pop(verdict.call.id, None)
            if isinstance(verdict, Send):
                sends[verdict.id] = verdict

    now, number, cancels = 0.0, 0, 0
    while cancels < CANCELS:
        now += 0.01 * rng.random()
        if len(waiting) < 8:
            number += 1
            lane = Lane.SENTIMENT if rng.random() < 0.5 else Lane.CHAT
            call = Call(number, lane, now)
            verdict = pool.offer(call, now)
            if not isinstance(verdict, Send | Shed):
                waiting[call.id] = call
            take([verdict] if isinstance(verdict, Send) else [])
        if waiting and rng.random() < 0.4:
            call = waiting.pop(rng.choice(list(waiting)))
            take(pool.withdraw(call, Outcome.CANCELLED, now))
            cancels += 1
        elif sends:
            send = sends.pop(rng.choice(list(sends)))
            take(pool.finish(send, Outcome.CANCELLED, now))
            cancels += 1
        for instance in pool.instances:
            for lane, count in instance.in_flight.items():
                assert 0 <= count <= SLOTS[lane]
        assert pool.in_flight == len(sends)
    for call in list(waiting.values()):
        take(pool.withdraw(call, Outcome.CANCELLED, now))
    for send in list(sends.values()):
        pool.finish(send, Outcome.CANCELLED, now)
    assert pool.in_flight == 0
    for lane in (Lane.SENTIMENT, Lane.CHAT):
        assert pool.tally(lane).offered == pool.tally(lane).ended

"""Whatever happens, in whatever order: no call is lost, counted twice or let in above the slots."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.balancer.core.call import QUEUES, Call, Lane, Outcome
from tidegate.balancer.core.instance import Phase, Registration, Role
from tidegate.balancer.core.policy import LanePolicy, Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send, Shed, Wait

POLICY = Policy(lanes={Lane.SENTIMENT: LanePolicy(2.0, 4), Lane.CHAT: LanePolicy(30.0, 3)})
REGISTRATIONS = st.builds(
    Registration,
    id=st.sampled_from(["a", "b", "c"]),
    address=st.just("host:1"),
    phase=st.sampled_from([Phase.WARMING, Phase.HOT, Phase.HOT, Phase.HOT, Phase.DRAINING]),
    role=st.sampled_from(Role),
    slots=st.fixed_dictionaries({lane: st.integers(0, 2) for lane in Lane}),
)


class Conservation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(POLICY, random.Random(1))
        self.now = 0.0
        self.calls = 0
        self.waiting: dict[int, Call] = {}
        self.sends: dict[int, Send] = {}
        self.finished: list[Send] = []
        self.over: set[int] = set()

    def take(self, verdicts) -> None:
        for verdict in verdicts:
            call = verdict.call
            assert call.id not in self.over
            if isinstance(verdict, Wait):
                assert call.id not in self.waiting
                self.waiting[call.id] = call
                continue
            self.waiting.pop(call.id, None)
            if isinstance(verdict, Send):
                assert all(send.call != call for send in self.sends.values())
                self.sends[verdict.id] = verdict
            else:
                assert isinstance(verdict, Shed)
                self.over.add(call.id)

    @rule(
        lane=st.sampled_from(QUEUES),
        left_s=st.none() | st.floats(0.0, 40.0),
        accepts=st.booleans(),
        caller=st.sampled_from("xy"),
    )
    def offer(self, lane: Lane, left_s: float | None, accepts: bool, caller: str) -> None:
        self.calls += 1
        deadline_s = None if left_s is None else self.now + left_s
        call = Call(self.calls, lane, self.now, deadline_s, accepts, caller=caller)
        self.take([self.pool.offer(call, self.now)])

    @precondition(lambda self: self.sends)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        send = self.sends.pop(data.draw(st.sampled_from(sorted(self.sends))))
        self.finished.append(send)
        if outcome in (Outcome.LOST, Outcome.REFUSED):
            self.waiting[send.call.id] = send.call
        else:
            self.over.add(send.call.id)
        self.take(self.pool.finish(send, outcome, self.now))

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def finish_again(self, data: st.DataObject) -> None:
        send = data.draw(st.sampled_from(self.finished))
        assert self.pool.finish(send, Outcome.FULL, self.now) == []

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        call = self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))
        self.over.add(call.id)
        self.take(self.pool.withdraw(call, Outcome.CANCELLED, self.now))

    @rule(registrations=st.lists(REGISTRATIONS, max_size=3, unique_by=lambda each: each.id))
    def observe(self, registrations: list[Registration]) -> None:
        self.take(self.pool.observe(registrations, "test", self.now))

    @rule(role=st.sampled_from(Role), ready_in_s=st.none() | st.floats(-1.0, 40.0))
    def note_ready(self, role: Role, ready_in_s: float | None) -> None:
        ready_s = None if ready_in_s is None else self.now + ready_in_s
        self.take(self.pool.note_ready(role, ready_s, self.now))

    @rule(passed_s=st.floats(0.0, 5.0))
    def time_passes(self, passed_s: float) -> None:
        end_s = self.now + passed_s
        while (due_s := self.pool.next_tick_s(self.now)) is not None and due_s <= end_s:
            self.now = max(due_s, self.now)
            self.take(self.pool.tick(self.now))
        self.now = end_s

    @invariant()
    def every_call_is_in_one_place(self) -> None:
        for lane in QUEUES:
            tally = self.pool.tally(lane)
            waiting = sum(call.lane is lane for call in self.waiting.values())
            in_flight = sum(send.call.lane is lane for send in self.sends.values())
            assert tally.offered == tally.ended + waiting + in_flight
            assert self.pool.backlog(lane, self.now).depth == waiting

    @invariant()
    def nobody_waits_beyond_its_time(self) -> None:
        due_s = self.pool.next_tick_s(self.now)
        for call in self.waiting.values():
            limit_s = call.arrived_s + POLICY.lanes[call.lane].wait_s
            assert due_s is not None
            assert due_s <= min(limit_s, call.deadline_s or limit_s)

    @invariant()
    def slots_are_never_exceeded_by_new_sends(self) -> None:
        for instance in self.pool.instances:
            for count in instance.in_flight.values():
                # Slots may shrink below what runs; 2 is the most that is ever registered.
                assert 0 <= count <= 2


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

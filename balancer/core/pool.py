"""Decides the fate of every call: send it, let it wait, or shed it.

A state machine: events come in with the time at which they happened, verdicts come out. `offer` brings
a call, `finish` ends a send, `withdraw` takes back a waiting call, `observe` reports membership, `note_ready`
what is about to join it, `tick` reports that time has passed, `close` begins the end. Whoever drives it applies membership before time
and time before calls, and calls `tick` at `next_tick_s`. Knows nothing about sockets, clocks or tasks.
"""

from collections.abc import Sequence
from dataclasses import replace

from tidegate.balancer.core.admission import (
    expiry_reason,
    is_reachable,
    refusal,
    refusal_while_cold,
)
from tidegate.balancer.core.advice import Advice
from tidegate.balancer.core.call import QUEUES, Call, Lane, Outcome
from tidegate.balancer.core.change import FLEET, Change
from tidegate.balancer.core.degrade import Degrading
from tidegate.balancer.core.delay import Delay
from tidegate.balancer.core.flights import Flight, Flights
from tidegate.balancer.core.instance import Instance, Registration, Role
from tidegate.balancer.core.lag import Lag
from tidegate.balancer.core.lanes import Waiter, WaitingRoom
from tidegate.balancer.core.placement import Placement
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.retry import may_retry
from tidegate.balancer.core.roster import Roster
from tidegate.balancer.core.route import Random
from tidegate.balancer.core.tally import Beside, Tally
from tidegate.balancer.core.throttle import CHATS_END_S, Throttle
from tidegate.balancer.core.verdict import Backlog, Reason, Send, Shed, Verdict, Wait


class Pool:
    """The one stateful object of the balancer. Calls carry ids that are unique within it."""

    def __init__(self, policy: Policy, rng: Random) -> None:
        self._policy = policy
        self._roster = Roster(policy)
        self._rooms = {lane: WaitingRoom(policy.shares) for lane in QUEUES}
        self._tallies = {lane: Tally() for lane in Lane}
        self._flights = Flights()
        self._placement = Placement(policy, self._roster, self._rooms, self._flights, rng)
        self._advice = Advice(rng)
        self._degrading = Degrading(
            policy.degrade_enter_s, policy.degrade_leave_s, policy.degrade_dwell_s
        )
        self._lag = Lag()
        self._delay = Delay()
        self._throttles = {
            Lane.CHAT: Throttle(CHATS_END_S),
            # The other half is left for the way back.
            Lane.SENTIMENT: Throttle(policy.lanes[Lane.SENTIMENT].wait_s / 2.0),
        }
        self._changes: list[Change] = []
        self._numbers = 0
        self._is_closed = False

    def __repr__(self) -> str:
        waiting = sum(len(room) for room in self._rooms.values())
        return f"<Pool {self._roster} | {len(self._flights)} in flight, {waiting} waiting>"

    def adopt(self, policy: Policy) -> None:
        """Decide by other numbers from now on; a call that waits keeps the limit that it came under."""
        self._policy = policy
        self._roster.adopt(policy)
        self._placement.adopt(policy)
        self._degrading.enter_s = policy.degrade_enter_s
        self._degrading.leave_s = policy.degrade_leave_s

    # What can be seen

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The known instances; to look at only."""
        return tuple(self._roster)

    @property
    def in_flight(self) -> int:
        """Calls that are with an instance now."""
        return len(self._flights)

    def tally(self, lane: Lane) -> Tally:
        """How the calls of `lane` ended so far; to look at only."""
        return self._tallies[lane]

    def backlog(self, lane: Lane, now: float) -> Backlog:
        """How many wait in `lane`, how long one more would, and how many instances serve it."""
        return self._placement.backlog(lane, now)

    def is_awaited(self, lane: Lane) -> bool:
        """Whether anybody waits for a slot of `lane`."""
        return len(self._rooms[lane]) > 0

    def is_cold(self, lane: Lane) -> bool:
        """Whether no hot instance serves `lane`."""
        return not self._roster.serving(lane)

    def take_changes(self) -> list[Change]:
        """The changes of state since the last time this was asked, oldest first."""
        changes, self._changes = self._changes, []
        return changes

    def next_tick_s(self, now: float) -> float | None:
        """When `tick` is due; None while time alone can change nothing."""
        if not self._is_anybody_waiting:
            return None
        expiries = [room.next_expiry_s for room in self._rooms.values()]
        due = [expiry_s for expiry_s in expiries if expiry_s is not None]
        return min([*due, *self._placement.next_change_s(now)])

    # Events

    def offer(self, call: Call, now: float) -> Verdict:
        """Bring a call. `Wait` promises that a later event brings its `Send` or `Shed`."""
        self._placement.account(now)
        self._tallies[call.lane].offered += 1
        limit_s = call.arrived_s + self._policy.lanes[call.lane].wait_s
        expires_s = limit_s if call.deadline_s is None else min(limit_s, call.deadline_s)
        waiter = Waiter(call, expires_s, self._number())
        if self._is_closed:
            return self._shed(call, Reason.DRAINING, now)
        if expires_s <= now:
            return self._shed(call, expiry_reason(call.deadline_s, now), now)
        if call.lane is Lane.CHAT and self._lag.is_high:
            return self._shed(call, Reason.OVERLOADED, now)
        if self._throttles[call.lane].refuses(self._delay.value_s):
            return self._shed(call, Reason.OVERLOADED, now)
        room = self._rooms[call.lane]
        is_promised = self._advice.is_promised(call, now)
        instance = None if room.blocks(waiter) else self._placement.instance_for(waiter, now)
        if instance is None and (call.accepts_degraded or not is_promised):
            verdict = self._in_short(waiter, now)
            if verdict is not None:
                return verdict
        outlook = self._placement.outlook(waiter, instance, self._delay.value_s, now)
        bounds = self._advice.bounds(self._policy.lanes[call.lane], call, is_promised=is_promised)
        reason = refusal(outlook, bounds, call.deadline_s, now)
        if reason is not None:
            self._placement.note_shed(call.lane, now)
            rather = self._rather_short(waiter, outlook.wait_s, now)
            return self._shed(call, reason, now) if rather is None else rather
        if instance is not None:
            return self._send(waiter, instance, now)
        room.put(waiter)
        return Wait(call, outlook.wait_s)

    def finish(self, send: Send, outcome: Outcome, now: float) -> list[Verdict]:
        """End a send; room appeared, so that waiters may go.

        After `REFUSED` and `LOST` the verdicts may be about the same call; if there is none
        about it, it waits again. A send that is already finished is ignored.
        """
        self._placement.account(now)
        flight = self._flights.end(send)
        if flight is None:
            return []
        self._changes += self._placement.learn(flight, outcome, now)
        verdicts: list[Verdict] = []
        if outcome is Outcome.REFUSED:
            refused = replace(flight.waiter, refusals=flight.waiter.refusals + 1)
            verdicts += self._put_back(refused, now)
        elif outcome is Outcome.LOST:
            verdicts += self._retry(flight, now)
        else:
            self._tallies[send.call.lane].count_end(outcome)
        return verdicts + self._advance(now)

    def withdraw(self, call: Call, outcome: Outcome, now: float) -> list[Verdict]:
        """Take back a call that waits: `CANCELLED` by its caller, or `EXPIRED`."""
        self._placement.account(now)
        if self._rooms[call.lane].take(call.id) is None:
            return []
        self._tallies[call.lane].count_end(outcome)
        return self._advance(now)

    def observe(
        self, registrations: Sequence[Registration], reason: str, now: float
    ) -> list[Verdict]:
        """Take `registrations` as the whole membership from now on."""
        self._placement.account(now)
        self._changes += self._roster.observe(registrations, reason, now)
        return self._advance(now)

    def note_ready(self, role: Role, ready_s: float | None, now: float) -> list[Verdict]:
        """Take in when the next instance of `role` is expected to be hot; None: none is coming.

        While nothing is hot, calls wait for it whose deadline and lane allow that. Holds until it is said anew.
        """
        self._placement.account(now)
        self._placement.note_ready(role, ready_s)
        return self._advance(now)

    def tick(self, now: float) -> list[Verdict]:
        """Time has passed: expired waiters are answered, and others may go."""
        self._placement.account(now)
        return self._advance(now)

    def note_beside(self, lane: Lane, how: Beside) -> None:
        """A call of `lane` came and ended by what became of an equal one, without a place of its own."""
        self._tallies[lane].count_beside(how)

    def note_lag(self, lag_s: float, now: float) -> None:
        """Take in how late the balancer's own loop runs; new chats are refused while that is high."""
        if self._lag.learn(lag_s, now):
            states = ("steady", "overloaded") if self._lag.is_high else ("overloaded", "steady")
            reason = f"the event loop lags by {self._lag.p99_s * 1000:.0f} ms"
            self._changes.append(Change(FLEET, *states, reason))

    def note_delay(self, took_s: float, now: float) -> None:
        """Take in how long a call of the balancer to itself took: so long do all wait for it."""
        self._delay.learn(took_s, now)

    def close(self, now: float) -> list[Verdict]:
        """Refuse all that waits and all that comes; what runs goes on."""
        self._placement.account(now)
        self._is_closed = True
        verdicts = self._expire(now)
        waiting = [waiter.call for room in self._rooms.values() for waiter in room]
        return verdicts + [self._turn_away(call, Reason.DRAINING, now) for call in waiting]

    # Decisions

    @property
    def _is_anybody_waiting(self) -> bool:
        return any(self._rooms.values())

    def _retry(self, flight: Flight, now: float) -> list[Verdict]:
        """Let a lost call go to another instance once, or shed it."""
        call, lost_by = flight.send.call, flight.instance.id
        under_way = [each.waiter for each in self._flights]
        under_way += [waiter for room in self._rooms.values() for waiter in room]
        retrying = sum(waiter.lost_by is not None for waiter in under_way)
        budget = self._policy.retry_share, self._policy.retry_min
        if (
            flight.waiter.lost_by is not None
            or all(each.id == lost_by for each in self._roster.eligible(flight.send.lane, now))
            or not may_retry(retrying, len(under_way) + 1 - retrying, *budget)
        ):
            return [self._shed(call, Reason.INSTANCE_LOST, now)]
        return self._put_back(replace(flight.waiter, lost_by=lost_by), now)

    def _put_back(self, waiter: Waiter, now: float) -> list[Verdict]:
        """Let a call that came back wait at the head of its lane.

        One that was to be answered in short is so elsewhere, or waits in its turn like any other.
        """
        if self._is_closed:
            return [self._shed(waiter.call, Reason.DRAINING, now)]
        if waiter.degraded and (instance := self._placement.instance_for(waiter, now)) is not None:
            return [self._send(waiter, instance, now)]
        again = replace(waiter, returned=not waiter.degraded, degraded=False)
        self._rooms[waiter.call.lane].put(again)
        return []

    def _in_short(self, waiter: Waiter, now: float) -> Verdict | None:
        """The verdict on a chat that has no place, while chats are answered in short."""
        self._judge_degrading(now)
        if waiter.call.lane is not Lane.CHAT or not self._degrading.is_on:
            return None
        if not waiter.call.accepts_degraded:
            return self._shed(waiter.call, Reason.DEGRADED_ONLY, now)
        return self._short(waiter, now)

    def _rather_short(self, waiter: Waiter, wait_s: float, now: float) -> Send | None:
        """A short answer in place of none, for a chat that is turned away after the lane's best time.

        Below the wait at which full answers are back, the engines are better used for those.
        """
        call = waiter.call
        if call.lane is not Lane.CHAT or not call.accepts_degraded:
            return None
        return self._short(waiter, now) if wait_s > self._policy.degrade_leave_s else None

    def _short(self, waiter: Waiter, now: float) -> Send | None:
        short = replace(waiter, degraded=True)
        instance = self._placement.instance_for(short, now)
        return None if instance is None else self._send(short, instance, now)

    def _judge_degrading(self, now: float) -> None:
        """Judge by the wait of a chat that came now; without anybody to answer in short: no."""
        is_possible = bool(self._roster.serving(Lane.DEGRADED))
        wait_s = self._placement.wait_s(Lane.CHAT, now) if is_possible else 0.0
        if self._degrading.judge(wait_s, now):
            modes = ("full", "degraded") if self._degrading.is_on else ("degraded", "full")
            self._changes.append(Change(FLEET, *modes, f"a chat would wait {wait_s:.1f} s"))

    def _advance(self, now: float) -> list[Verdict]:
        """Answer whose time is up, then send who has room, lane by lane."""
        if not self._is_anybody_waiting and not self._degrading.is_on:
            # Whether a chat that comes has to wait too long is judged when it comes.
            return []
        verdicts = self._expire(now)
        for lane, room in self._rooms.items():
            only_light = False
            for waiter in room:
                if only_light and waiter.is_heavy:
                    continue
                verdict = self._verdict_on(waiter, now)
                if verdict is not None:
                    verdicts.append(verdict)
                elif waiter.lost_by is None and self._roster.serving(lane):
                    # No room for it is no room for those behind it that are no lighter. While nothing is hot, each has its own time.
                    if not waiter.is_heavy or not room.light:
                        break
                    only_light = True
        self._judge_degrading(now)
        return verdicts

    def _expire(self, now: float) -> list[Verdict]:
        return [
            self._shed(waiter.call, expiry_reason(waiter.call.deadline_s, now), now)
            for room in self._rooms.values()
            for waiter in room.take_expired(now)
        ]

    def _verdict_on(self, waiter: Waiter, now: float) -> Verdict | None:
        """What becomes of a waiter now; None if it waits on."""
        call = waiter.call
        serving = self._roster.serving(call.lane)
        if waiter.lost_by is not None and all(each.id == waiter.lost_by for each in serving):
            return self._turn_away(call, Reason.INSTANCE_LOST, now)
        if not serving:
            cold = self._refusal_while_cold(waiter, now)
            return None if cold is None else self._turn_away(call, cold, now)
        needs_s = self._placement.needs_s(call.lane, len(self._rooms[call.lane]) - 1, now)
        if not is_reachable(call.deadline_s, now, needs_s, self._flights.count(call.lane)):
            return self._turn_away(call, Reason.DEADLINE_UNREACHABLE, now)
        instance = self._placement.instance_for(waiter, now)
        if instance is None:
            return None
        self._rooms[call.lane].serve(waiter)
        return self._send(waiter, instance, now)

    def _refusal_while_cold(self, waiter: Waiter, now: float) -> Reason | None:
        """Why a waiter can't wait any longer for the next instance that becomes hot; None if it may."""
        lane, placement = waiter.call.lane, self._placement
        needs_s = placement.needs_s(lane, len(self._rooms[lane]) - 1, now)
        ready_s, deadline_s = placement.ready_s(lane, now), waiter.call.deadline_s
        return refusal_while_cold(ready_s, needs_s, waiter.expires_s, deadline_s)

    # Effects

    def _send(self, waiter: Waiter, instance: Instance, now: float) -> Send:
        send = Send(self._number(), waiter.call, instance.id, instance.address, now, waiter.lane)
        self._flights.begin(send, waiter, instance)
        return send

    def _turn_away(self, call: Call, reason: Reason, now: float) -> Shed:
        """Shed a call that waits."""
        self._rooms[call.lane].take(call.id)
        return self._shed(call, reason, now)

    def _shed(self, call: Call, reason: Reason, now: float) -> Shed:
        self._tallies[call.lane].count_shed(reason)
        backlog, drain_s = self.backlog(call.lane, now), self._placement.drain_s(call.lane, now)
        after_s = self._advice.hint_s(call, reason, backlog, drain_s, now)
        return Shed(call, reason, after_s, backlog)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

"""Watches one pool from outside and keeps its own books, so that a promise is never judged by who made it.

Counts what should never happen (an inversion, a slot given twice, a call answered twice) and measures what
only the books can tell: chat's share, the error of time-outs, calls that were let in and expired. Knows
nothing about callers.
"""

from collections import deque
from dataclasses import dataclass, field

from tidegate.balancer.core.call import QUEUES, Call, Lane, Outcome
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Reason, Send, Shed, Verdict, Wait

TOLERANCE = 1.15
"""The floor may be off by 15 % of itself: its window is kept in buckets of a second."""
MOST_KEPT = 20
"""Violations beyond these are counted and not told."""


@dataclass(slots=True)
class ShareBook:
    """Slot-seconds of chat and of all, over a sliding window, while chat had a backlog."""

    window_s: float
    chat_s: float = 0.0
    total_s: float = 0.0
    all_chat_s: float = 0.0
    all_total_s: float = 0.0
    lowest: float = 1.0
    """The lowest share of any full window."""
    _spans: deque[tuple[float, float, float]] = field(default_factory=deque)
    _backlog_since_s: float | None = None

    def add(self, begin_s: float, end_s: float, chat: int, total: int, backlog: int) -> None:
        """Note that so many calls were in flight from `begin_s` to `end_s`."""
        if not backlog:
            self._backlog_since_s = None
        elif self._backlog_since_s is None:
            self._backlog_since_s = begin_s
        lasted_s = end_s - begin_s
        if backlog and total:
            chat_s, total_s = chat * lasted_s, total * lasted_s
            self._spans.append((end_s, chat_s, total_s))
            self.chat_s += chat_s
            self.total_s += total_s
            self.all_chat_s += chat_s
            self.all_total_s += total_s
        while self._spans and self._spans[0][0] < end_s - self.window_s:
            _, chat_s, total_s = self._spans.popleft()
            self.chat_s -= chat_s
            self.total_s -= total_s
        since_s = self._backlog_since_s
        if since_s is not None and end_s - since_s >= self.window_s and self.total_s > 0:
            self.lowest = min(self.lowest, self.chat_s / self.total_s)

    @property
    def share(self) -> float:
        """Chat's share of the window; 1 when nothing was in flight."""
        return self.chat_s / self.total_s if self.total_s > 1e-9 else 1.0


class Witness:
    """The books on one pool."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.waiting = dict.fromkeys(Lane, 0)
        self.in_flight = dict.fromkeys(Lane, 0)
        self.share = ShareBook(policy.chat_share_window_s)
        self.inversions = 0
        self.over_admissions = 0
        self.violations: list[str] = []
        self.violation_count = 0
        self.let_in = 0
        self.let_in_and_expired = 0
        self.timeout_errors_s: list[float] = []
        self._waiting: dict[int, Call] = {}
        self._sends: dict[int, Send] = {}
        self._sent: set[int] = set()
        self._over: set[int] = set()
        self._last_s = 0.0

    def see_time(self, now: float) -> None:
        """Account for the time since the last event."""
        if now > self._last_s:
            flights = self.in_flight
            chat, total = flights[Lane.CHAT], flights[Lane.CHAT] + flights[Lane.SENTIMENT]
            self.share.add(self._last_s, now, chat, total, self.waiting[Lane.CHAT])
            self._last_s = now

    def see_offer(self, call: Call, verdict: Verdict, now: float) -> None:
        """A call was brought; `verdict` is what the pool said."""
        if verdict.call is not call:
            self._complain(f"call {call.id} was answered by call {verdict.call.id}", now)
        if isinstance(verdict, Shed):
            return
        self.let_in += 1
        if isinstance(verdict, Wait):
            self._wait(call)

    def see_send(self, send: Send, pool: Pool, now: float) -> None:
        """A call goes to an instance."""
        call = send.call
        self._stop_waiting(call)
        if call.id in self._over:
            self._complain(f"call {call.id} was sent although it is over", now)
        if call.id in self._sent:
            self._complain(f"call {call.id} was sent twice at once", now)
        self._sent.add(call.id)
        self.in_flight[send.lane] += 1
        self._sends[send.id] = send
        instance = next((each for each in pool.instances if each.id == send.instance_id), None)
        if instance is None:
            self._complain(f"call {call.id} was sent to {send.instance_id}, which is gone", now)
            return
        if send.lane is Lane.CHAT and self.waiting[Lane.SENTIMENT]:
            floor = self._policy.chat_share * TOLERANCE
            if instance.serves(Lane.SENTIMENT) and self.share.share > floor:
                self.inversions += 1
        if instance.in_flight[send.lane] > instance.registration.slots_of(send.lane):
            self.over_admissions += 1

    def see_finish(self, send: Send, outcome: Outcome) -> None:
        """A send has ended."""
        del self._sends[send.id]
        self._sent.discard(send.call.id)
        self.in_flight[send.lane] -= 1
        if outcome in (Outcome.REFUSED, Outcome.LOST):
            self._wait(send.call)
        else:
            self._over.add(send.call.id)

    def see_shed(self, shed: Shed, now: float) -> None:
        """A call is turned away, on arrival or later."""
        call = shed.call
        waited = self._stop_waiting(call)
        if call.id in self._over:
            self._complain(f"call {call.id} was shed although it is over", now)
        self._over.add(call.id)
        if waited and shed.reason in (Reason.QUEUE_TIMEOUT, Reason.EXPIRED):
            self.let_in_and_expired += 1
            self._note_time_out(call, now)

    def see_withdrawal(self, call: Call, outcome: Outcome, now: float) -> None:
        """A waiting call is taken back."""
        if not self._stop_waiting(call):
            self._complain(f"call {call.id} was neither waiting nor sent", now)
        self._over.add(call.id)
        if outcome is Outcome.EXPIRED:
            self.let_in_and_expired += 1

    def see_end(self, pool: Pool, now: float) -> None:
        """All is over: every call has ended once, and every slot has come back."""
        for lane in QUEUES:
            tally = pool.tally(lane)
            if tally.offered != tally.ended:
                self._complain(f"{lane.value}: {tally.offered} offered, {tally.ended} ended", now)
        held = {each.id: each.in_flight for each in pool.instances if any(each.in_flight.values())}
        if pool.in_flight or held or self._sends or self._waiting:
            self._complain(f"slots not back: {pool!r}, {held}", now)

    def _wait(self, call: Call) -> None:
        self._waiting[call.id] = call
        self.waiting[call.lane] += 1

    def _stop_waiting(self, call: Call) -> bool:
        if self._waiting.pop(call.id, None) is None:
            return False
        self.waiting[call.lane] -= 1
        return True

    def _note_time_out(self, call: Call, now: float) -> None:
        limit_s = call.arrived_s + self._policy.lanes[call.lane].wait_s
        due_s = limit_s if call.deadline_s is None else min(limit_s, call.deadline_s)
        self.timeout_errors_s.append(abs(now - due_s))

    def _complain(self, what: str, now: float) -> None:
        self.violation_count += 1
        if len(self.violations) < MOST_KEPT:
            self.violations.append(f"at {now:.3f} s: {what}")

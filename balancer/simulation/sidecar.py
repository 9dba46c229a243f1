"""One simulated balancer: drives a real pool on simulated time, as the dispatcher does on asyncio.

Applies verdicts, arms one timer, takes calls back whose callers leave. Decides nothing: what it can do
without (see switches) is its own punctuality, never a decision of the pool.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from typing_extensions import assert_never

from tidegate.balancer.core.call import Call, Outcome
from tidegate.balancer.core.instance import Registration, Role
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send, Shed, Verdict, Wait
from tidegate.balancer.simulation.clock import Clock, Event, Rank
from tidegate.balancer.simulation.machine import Machine, Run
from tidegate.balancer.simulation.switches import Switch, without
from tidegate.balancer.simulation.visit import Visit
from tidegate.balancer.simulation.witness import Witness

SWEEP_S = 1.0
"""How often a sidecar without the exact timer looks: the interval that sweeping proxies use."""


@dataclass(slots=True, eq=False)
class Place:
    """Where a call stands with this sidecar: with an instance, or waiting."""

    call: Call
    visit: Visit
    on_end: Callable[[Outcome | Shed], None]
    send: Send | None = None
    machine: Machine | None = None
    run: Run | None = None


class Sidecar:
    """A pool, its timer and the calls that it holds."""

    def __init__(
        self,
        policy: Policy,
        switches: frozenset[Switch],
        machines: Mapping[str, Machine],
        clock: Clock,
        rng: Random,
    ) -> None:
        self.pool = Pool(without(policy, switches), rng)
        self.witness = Witness(policy)
        self._switches = switches
        self._machines = machines
        self._clock = clock
        self._places: dict[int, Place] = {}
        self._numbers = 0
        self._timer: Event | None = None
        self._listing: tuple[Registration, ...] = ()
        self.degrade_switches = 0
        self._out_until_s: dict[str, float] = {}
        self.on_cold: Callable[[], None] = lambda: None
        """Told of each call that finds nothing hot."""
        if Switch.EXACT_TIMER in switches:
            clock.at(SWEEP_S, Rank.TIME, self._sweep)

    @property
    def waiting(self) -> int:
        """Calls that wait here."""
        return sum(self.witness.waiting.values())

    @property
    def holds_calls(self) -> bool:
        """Whether any call waits here or is with an instance."""
        return bool(self._places)

    def observe(self, listing: tuple[Registration, ...]) -> None:
        """Hear from the registry."""
        self._listing = listing
        self._observe()

    def offer(self, visit: Visit, on_end: Callable[[Outcome | Shed], None]) -> Call:
        """Bring a caller's attempt; `on_end` hears its end, unless the caller leaves before."""
        now = self._clock.now_s
        self._numbers += 1
        knows_deadline = Switch.ARRIVAL_CHECK not in self._switches
        call = Call(
            id=self._numbers,
            lane=visit.lane,
            arrived_s=now,
            deadline_s=visit.deadline_s if knows_deadline else None,
            accepts_degraded=visit.manner.accepts_degraded,
            is_retried=visit.is_retried,
        )
        self._places[call.id] = Place(call, visit, on_end)
        self.witness.see_time(now)
        verdict = self.pool.offer(call, now)
        self.witness.see_offer(call, verdict, now)
        if not isinstance(verdict, Send) and not any(
            each.serves(call.lane) for each in self.pool.instances
        ):
            self.on_cold()
        self._apply((verdict,))
        return call

    def note_ready(self, role: Role, ready_s: float | None) -> None:
        """Hear when the next instance of `role` is expected to be hot; None: none is coming."""
        now = self._clock.now_s
        self.witness.see_time(now)
        self._apply(self.pool.note_ready(role, ready_s, now))

    def leave(self, call: Call, outcome: Outcome) -> None:
        """The caller hangs up, or its deadline has passed. Does nothing if the call is over."""
        place = self._places.pop(call.id, None)
        if place is None:
            return
        now = self._clock.now_s
        self.witness.see_time(now)
        if place.send is None:
            self.witness.see_withdrawal(call, outcome, now)
            self._apply(self.pool.withdraw(call, outcome, now))
            return
        if place.machine is not None and place.run is not None:
            place.machine.stop(place.run)
        self._finish(place.send, outcome)

    def _finish(self, send: Send, outcome: Outcome) -> None:
        now = self._clock.now_s
        self.witness.see_time(now)
        self.witness.see_finish(send, outcome)
        self._apply(self.pool.finish(send, outcome, now))

    def _apply(self, verdicts: Iterable[Verdict]) -> None:
        now = self._clock.now_s
        for verdict in verdicts:
            match verdict:
                case Send():
                    self.witness.see_send(verdict, self.pool, now)
                    self._start(verdict)
                case Shed():
                    self.witness.see_shed(verdict, now)
                    self._places.pop(verdict.call.id).on_end(verdict)
                case Wait():
                    pass
                case _:
                    assert_never(verdict)
        self._follow_changes()
        self._arm()

    def _start(self, send: Send) -> None:
        place = self._places[send.call.id]
        place.send = send
        visit = place.visit
        visit.sends += 1
        if visit.sent_s is None:
            visit.sent_s = send.began_s
        place.machine = machine = self._machines[send.address]
        place.run = machine.start(send.lane, visit.work, lambda how: self._ended(place, send, how))

    def _ended(self, place: Place, send: Send, outcome: Outcome) -> None:
        place.send = place.machine = place.run = None
        if outcome is Outcome.REFUSED:
            # No work was done: that was no attempt.
            place.visit.sends -= 1
        if outcome not in (Outcome.REFUSED, Outcome.LOST):
            del self._places[place.call.id]
            self._finish(send, outcome)
            place.on_end(outcome)
        else:
            self._finish(send, outcome)

    # Time

    def _arm(self) -> None:
        if Switch.EXACT_TIMER in self._switches:
            return
        due_s = self.pool.next_tick_s(self._clock.now_s)
        if self._timer is not None:
            if self._timer.at_s == due_s and self._timer.act is not None:
                return
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self._clock.at(due_s, Rank.TIME, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.witness.see_time(self._clock.now_s)
        self._apply(self.pool.tick(self._clock.now_s))

    def _sweep(self) -> None:
        self._tick()
        self._clock.at(self._clock.now_s + SWEEP_S, Rank.TIME, self._sweep)

    # Membership

    def _observe(self) -> None:
        now = self._clock.now_s
        self.witness.see_time(now)
        listing = tuple(
            each for each in self._listing if self._out_until_s.get(each.id, 0.0) <= now
        )
        self._apply(self.pool.observe(listing, "registry", now))

    def _follow_changes(self) -> None:
        """Without the guard, an ejected instance is as good as gone until its time is over."""
        changes = self.pool.take_changes()
        self.degrade_switches += sum(each.after in ("full", "degraded") for each in changes)
        if Switch.EJECTION_GUARD not in self._switches:
            return
        ejected = {change.instance_id for change in changes if change.after == "ejected"}
        for instance in self.pool.instances:
            out_until_s = instance.ejection.out_until_s
            if instance.id in ejected and out_until_s is not None:
                self._out_until_s[instance.id] = out_until_s
                self._clock.at(self._clock.now_s, Rank.MEMBERSHIP, self._observe)
                self._clock.at(out_until_s, Rank.MEMBERSHIP, self._observe)

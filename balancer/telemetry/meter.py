"""Counts and measures what the dispatcher does with calls, as it happens.

It is told each event and each verdict, and answers nothing: what it knows changes no decision. Knows
nothing about gRPC, nor about who reads the figures.
"""

from prometheus_client import CollectorRegistry
from typing_extensions import assert_never

from tidegate.balancer.core.call import QUEUES, Call, Lane, Outcome
from tidegate.balancer.core.change import FLEET, Change
from tidegate.balancer.core.verdict import Reason, Send, Shed, Verdict, Wait
from tidegate.balancer.telemetry import catalogue
from tidegate.balancer.telemetry.figures import Count, Figures
from tidegate.identity.why import Why

ENDINGS = ("full", "degraded", "shed", "expired", "cancelled", "failed")
"""How calls end, as the tallies count them."""


class Meter:
    """The figures of one balancer since its start, registered with `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        figures = Figures()
        registry.register(figures)
        # By label once and for all: a look-up by value for every call would cost more than counting.
        self._durations = {
            (lane, end): figures.spread(catalogue.CALL_DURATION, lane.value, end)
            for lane in QUEUES
            for end in ENDINGS
        }
        first_byte, queue = catalogue.TIME_TO_FIRST_BYTE, catalogue.QUEUE_DURATION
        self._first_bytes = {lane: figures.spread(first_byte, lane.value) for lane in QUEUES}
        self._queued = {lane: figures.spread(queue, lane.value) for lane in QUEUES}
        self._errors = {
            lane: figures.spread(catalogue.ESTIMATE_ERROR, lane.value) for lane in QUEUES
        }
        self._sends = {
            (lane, outcome): figures.count(catalogue.SENDS, lane.value, outcome.value)
            for lane in Lane
            for outcome in Outcome
        }
        self._resends = {
            (lane, outcome): figures.count(catalogue.RESENDS, lane.value, outcome.value)
            for lane in QUEUES
            for outcome in (Outcome.LOST, Outcome.REFUSED)
        }
        self._limit_changes = {
            (lane.value, way): figures.count(catalogue.LIMIT_CHANGES, lane.value, way)
            for lane in Lane
            for way in ("narrowed", "widened")
        }
        self._ejections = figures.count(catalogue.EJECTIONS)
        self._switches = {
            way: figures.count(catalogue.DEGRADED_SWITCHES, way) for way in ("on", "off")
        }
        self._denied: dict[Why, Count] = {
            why: figures.count(catalogue.DENIED, why.value) for why in Why if why is not Why.STALLED
        }
        self._stalled = figures.count(catalogue.STALLED)
        self._lag = figures.spread(catalogue.LOOP_LAG)
        # Of calls that wait: what their wait was estimated at, or why they wait again.
        self._estimates_s: dict[int, float] = {}
        self._again: dict[int, Outcome] = {}

    # What a dispatcher tells

    def offered(self, verdict: Verdict, now: float) -> None:
        """A call came, and this was the answer."""
        match verdict:
            case Send():
                self._queued[verdict.call.lane].observe(0.0)
            case Wait():
                self._estimates_s[verdict.call.id] = verdict.estimated_wait_s
            case Shed():
                self._end(verdict.call, ending_of_shed(verdict), now)
            case _:
                assert_never(verdict)

    def decided(self, verdict: Verdict, now: float) -> None:
        """A call that waited got its verdict."""
        match verdict:
            case Send():
                self._sent(verdict)
            case Shed():
                self._forget(verdict.call)
                self._end(verdict.call, ending_of_shed(verdict), now)
            case Wait():
                pass
            case _:
                assert_never(verdict)

    def finished(self, send: Send, outcome: Outcome, now: float) -> None:
        """A send is over, and its call too unless the outcome lets it go on."""
        self._sends[send.lane, outcome].inc()
        ending = ending_of(outcome)
        if ending is None:
            self._again[send.call.id] = outcome
        else:
            self._end(send.call, ending, now)

    def withdrawn(self, call: Call, outcome: Outcome, now: float) -> None:
        """A call that waited is over."""
        self._forget(call)
        ending = ending_of(outcome)
        if ending is not None:
            self._end(call, ending, now)

    # What others tell

    def answering(self, call: Call, now: float) -> None:
        """The first message of a call's answer came."""
        self._first_bytes[call.lane].observe(now - call.arrived_s)

    def changed(self, change: Change) -> None:
        """Something changed its state."""
        before, after = _limit_in(change.before), _limit_in(change.after)
        if before is not None and after is not None:
            direction = "narrowed" if after[1] < before[1] else "widened"
            self._limit_changes[after[0], direction].inc()
        elif change.after == "ejected":
            self._ejections.inc()
        elif change.instance_id == FLEET and {change.before, change.after} == {"full", "degraded"}:
            self._switches["on" if change.after == "degraded" else "off"].inc()

    def denied(self, why: Why) -> None:
        """Somebody was turned away at the door."""
        self._denied[why].inc()

    def stalled(self) -> None:
        """A call was ended because it waited for its caller."""
        self._stalled.inc()

    def lagged(self, lag_s: float) -> None:
        """The event loop ran so late."""
        self._lag.observe(lag_s)

    def _sent(self, send: Send) -> None:
        call = send.call
        estimate_s = self._estimates_s.pop(call.id, None)
        if estimate_s is not None:
            queued_s = max(send.began_s - call.arrived_s, 0.0)
            self._queued[call.lane].observe(queued_s)
            self._errors[call.lane].observe(queued_s - estimate_s)
        elif (outcome := self._again.pop(call.id, None)) is not None:
            self._resends[call.lane, outcome].inc()

    def _end(self, call: Call, ending: str, now: float) -> None:
        self._durations[call.lane, ending].observe(max(now - call.arrived_s, 0.0))

    def _forget(self, call: Call) -> None:
        self._estimates_s.pop(call.id, None)
        self._again.pop(call.id, None)


def ending_of(outcome: Outcome) -> str | None:
    """How a call ended whose send ended so; None when the call goes on."""
    match outcome:
        case Outcome.FULL | Outcome.INVALID:
            return "full"
        case Outcome.FAILED | Outcome.CUT:
            return "failed"
        case Outcome.DEGRADED | Outcome.EXPIRED | Outcome.CANCELLED:
            return str(outcome.value)
        case Outcome.LOST | Outcome.REFUSED:
            return None
        case _:
            assert_never(outcome)


def ending_of_shed(shed: Shed) -> str:
    """How a call ended that was turned away."""
    return "expired" if shed.reason is Reason.EXPIRED else "shed"


def _limit_in(state: str) -> tuple[str, int] | None:
    """Lane and limit in the state of an instance ("chat limit 3"); None for another state."""
    lane, separator, limit = state.partition(" limit ")
    return (lane, int(limit)) if separator else None

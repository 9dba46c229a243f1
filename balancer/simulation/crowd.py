"""All callers of one kind: they arrive, wait as long as they like, come back if they are like that.

Knows nothing about what the balancers decide or why.
"""

from collections.abc import Iterator, Sequence
from random import Random

from typing_extensions import assert_never

from tidegate.balancer.core.call import Outcome
from tidegate.balancer.core.verdict import Reason, Shed
from tidegate.balancer.simulation.arrivals import moments
from tidegate.balancer.simulation.clock import Clock, Event, Rank
from tidegate.balancer.simulation.scenario import Traffic
from tidegate.balancer.simulation.sidecar import Sidecar
from tidegate.balancer.simulation.visit import OnShed, Result, Visit
from tidegate.balancer.simulation.work import Engine, tokens


class Crowd:
    """The callers of one kind of traffic. Every visit lands in `visits` when it begins."""

    def __init__(
        self,
        traffic: Traffic,
        engine: Engine,
        sidecars: Sequence[Sidecar],
        clock: Clock,
        rng: Random,
        visits: list[Visit],
    ) -> None:
        self._traffic = traffic
        self._engine = engine
        self._sidecars = sidecars
        self._clock = clock
        # Streams of their own: what a balancer decides changes no arrival and no size.
        self._arrivals = Random(rng.random())
        self._moments: Iterator[float] = iter(())
        self._sizes = Random(rng.random())
        self._habits = Random(rng.random())
        self._visits = visits
        self._manner = traffic.manner

    def come(self, until_s: float) -> None:
        """Put the first arrival on the clock, and so on until `until_s`."""
        self._moments = moments(self._traffic.arrivals, self._arrivals, until_s)
        self._await_next()

    def _await_next(self) -> None:
        at_s = next(self._moments, None)
        if at_s is not None:
            self._clock.at(at_s, Rank.CALL, self._arrive)

    def _arrive(self) -> None:
        now, traffic = self._clock.now_s, self._traffic
        work = self._engine.work(
            traffic.lane,
            tokens(traffic.prompt_tokens, self._sizes),
            tokens(traffic.reply_tokens, self._sizes),
        )
        visit = Visit(traffic.lane, work, self._manner, now, now + self._manner.deadline_s)
        self._visits.append(visit)
        self._attempt(visit)
        self._await_next()

    def _attempt(self, visit: Visit) -> None:
        now, habits = self._clock.now_s, self._habits
        visit.attempts += 1
        visit.result = None
        which = int(habits.random() * len(self._sidecars)) if len(self._sidecars) > 1 else 0
        visit.balancer = which
        sidecar = self._sidecars[which]
        ended: list[Outcome | Shed] = []
        plans: list[Event] = []

        def on_end(end: Outcome | Shed) -> None:
            ended.append(end)
            if plans:
                plans.pop().cancel()
            self._end(visit, _result(end), end.retry_after_s if isinstance(end, Shed) else None)

        call = sidecar.offer(visit, on_end)
        if visit.attempts > 1 and not (ended and isinstance(ended[0], Shed)):
            visit.retries_let_in += 1
        if ended:
            return
        leaves_s, result = visit.deadline_s, Result.EXPIRED
        if self._manner.patience_s:
            bored_s = now + habits.expovariate(1.0 / self._manner.patience_s)
            if bored_s < leaves_s:
                leaves_s, result = bored_s, Result.CANCELLED
        outcome = Outcome.EXPIRED if result is Result.EXPIRED else Outcome.CANCELLED

        def leave() -> None:
            sidecar.leave(call, outcome)
            self._end(visit, result, None)

        plans.append(self._clock.at(leaves_s, Rank.CALLER, leave))

    def _end(self, visit: Visit, result: Result, hint_s: float | None) -> None:
        now = self._clock.now_s
        visit.result, visit.ended_s = result, now
        again_s = visit.comes_back_s(result, hint_s, now, self._habits)
        if again_s is not None:
            self._clock.at(again_s, Rank.CALL, lambda: self._come_back(visit))

    def _come_back(self, visit: Visit) -> None:
        if self._manner.on_shed is OnShed.INSIST:
            visit.deadline_s = self._clock.now_s + self._manner.deadline_s
        self._attempt(visit)


def _result(end: Outcome | Shed) -> Result:
    if isinstance(end, Shed):
        return Result.EXPIRED if end.reason is Reason.EXPIRED else Result.SHED
    match end:
        case Outcome.FULL | Outcome.INVALID:
            return Result.FULL
        case Outcome.DEGRADED:
            return Result.DEGRADED
        case Outcome.EXPIRED:
            return Result.EXPIRED
        case Outcome.CANCELLED:
            return Result.CANCELLED
        case Outcome.FAILED | Outcome.CUT | Outcome.LOST | Outcome.REFUSED:
            return Result.FAILED
        case _:
            assert_never(end)

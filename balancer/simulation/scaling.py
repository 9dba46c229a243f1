"""Looks at every role in turn, has the production scaler decide, and tells the simulated launcher what follows.

What the leading balancer of a fleet does once a second: it knows what all of them have waiting. A call that finds nothing hot
makes it look at once. Decides nothing itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Phase, Role
from tidegate.balancer.core.look import Press, busiest, lanes_for
from tidegate.balancer.core.scale import Plan, RoleScale, RoleView, Scaler
from tidegate.balancer.core.verdict import Reason
from tidegate.balancer.simulation.clock import Event, Rank
from tidegate.balancer.simulation.launcher import Launcher
from tidegate.balancer.simulation.registry import Registry
from tidegate.balancer.simulation.sidecar import Sidecar

SOON_S = 0.1
"""The least from one look to the next, however many calls find nothing hot."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan of the scaler, and when it was made."""

    at_s: float
    plan: Plan


class Scaling:
    """The loop of hot and cold, on simulated time."""

    def __init__(
        self,
        rules: Mapping[Role, RoleScale],
        slots: Mapping[Role, Mapping[Lane, int]],
        launcher: Launcher,
        sidecars: Sequence[Sidecar],
        registry: Registry,
        begins: datetime,
        look_s: float,
        *,
        tells: bool,
    ) -> None:
        self.decisions: list[Decision] = []
        self.launcher = launcher
        self._scaler = Scaler(dict(rules))
        self._slots = slots
        self._sidecars = sidecars
        self._registry = registry
        self._begins = begins
        self._look_s = look_s
        self._tells = tells
        self._turned_away = dict.fromkeys(QUEUES, 0)
        self._offered = dict.fromkeys(QUEUES, 0)
        self._looked_s = -math.inf
        self._next: Event | None = None
        for sidecar in sidecars:
            sidecar.on_cold = self._wake

    def look(self) -> None:
        """Look at all roles, and again a while later."""
        clock = self._registry.clock
        now = self._looked_s = clock.now_s
        turned_away, arrived = self._count_turned_away(), self._count_arrived()
        for role in self._slots:
            self._decide(self._view(role, turned_away, arrived, now), now)
            if self._tells:
                ready_s = self._scaler.could_be_ready_s(role, now)
                for sidecar in self._sidecars:
                    sidecar.note_ready(role, ready_s)
        self._next = clock.at(now + self._look_s, Rank.MEMBERSHIP, self.look)

    def _wake(self) -> None:
        soon_s = max(self._looked_s + SOON_S, self._registry.clock.now_s)
        if self._next is not None and self._next.at_s > soon_s:
            self._next.cancel()
            self._next = self._registry.clock.at(soon_s, Rank.MEMBERSHIP, self.look)

    def _decide(self, view: RoleView, now: float) -> None:
        role, scaler, launcher = view.role, self._scaler, self.launcher
        wall = self._begins + timedelta(seconds=now)
        was_starting = scaler.is_starting(role)
        scaler.observe(view, now, wall)
        if launcher.take_failure(role) and was_starting:
            scaler.failed(role, now)
        plan = scaler.plan(view, now, wall)
        if plan is not None:
            self.decisions.append(Decision(now, plan))
            kept = launcher.count(role)
            launcher.keep(role, max(plan.count - view.launched + kept, 0))

    def _view(
        self,
        role: Role,
        turned_away: Mapping[Lane, int],
        arrived: Mapping[Lane, int],
        now: float,
    ) -> RoleView:
        """The role as the scaler sees it: by the lane that has the largest share of its slots in use."""
        listed = [each for each in self._registry.entries if each.is_listed and each.role is role]
        phases = [each.phase for each in listed]
        hungry = lanes_for(role, self._slots)
        asked = {
            lane: Press(
                sum(each.machine.running[lane] for each in listed),
                sum(each.witness.waiting[lane] for each in self._sidecars) if lane in hungry else 0,
                turned_away[lane] if lane in hungry else 0,
            )
            for lane in QUEUES
            if role.serves(lane)
        }
        unit_slots, most = busiest(asked, self._slots[role])
        backlogs = [each.pool.backlog(lane, now) for each in self._sidecars for lane in hungry]
        waits_s = [each.estimated_wait_s for each in backlogs if each.instances]
        permanent = sum(
            each.is_permanent and each.phase in (Phase.HOT, Phase.WARMING) for each in listed
        )
        return RoleView(
            role,
            permanent + self.launcher.count(role),
            phases.count(Phase.WARMING),
            phases.count(Phase.HOT),
            phases.count(Phase.DRAINING),
            unit_slots,
            most.in_flight,
            most.waiting,
            max(waits_s, default=0.0),
            most.turned_away,
            sum(arrived[lane] for lane in hungry),
        )

    def _count_arrived(self) -> dict[Lane, int]:
        """How many came since the last look."""
        counts = {}
        for lane in QUEUES:
            total = sum(each.pool.tally(lane).offered for each in self._sidecars)
            counts[lane] = total - self._offered[lane]
            self._offered[lane] = total
        return counts

    def _count_turned_away(self) -> dict[Lane, int]:
        """How many were shed since the last look because nothing was hot."""
        counts = {}
        for lane in QUEUES:
            reasons = [each.pool.tally(lane).by_reason for each in self._sidecars]
            total = sum(each[Reason.NO_INSTANCE] + each[Reason.WARMING_UP] for each in reasons)
            counts[lane] = total - self._turned_away[lane]
            self._turned_away[lane] = total
        return counts

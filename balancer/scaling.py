"""Looks at every role once a second, has the scaler decide, and tells the launcher what follows.

Every balancer looks, so that it can tell its waiting room when something will be hot; only the one that leads decides. A call
that finds nothing hot makes it look at once. Knows nothing about how instances are started, and decides nothing itself.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from tidegate.balancer.board import Board
from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.look import ASSUMED_SLOTS, Fleet, Press, lanes_for, look, slots_of
from tidegate.balancer.core.scale import RoleScale, RoleView, Scaler
from tidegate.balancer.core.verdict import Reason
from tidegate.balancer.dispatcher import Dispatcher
from tidegate.balancer.launching import Launching
from tidegate.balancer.wishes import Wishes

LOOK_S = 1.0
SOON_S = 0.1
"""The least from one look to the next, however many calls find nothing hot."""
NEWS_S = 3.0
"""Who was turned away because nothing was hot is told of for so long: whoever leads may hear of it a little later."""
DECISIONS = 20

_log = structlog.get_logger("tidegate.balancer.scaling")


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of how many are to run, or a start that failed (`after` is `before` then)."""

    at: datetime
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """What is started and stopped of a role, for people. Decisions: the latest first."""

    role: Role
    launched: int
    minimum: int
    maximum: int
    pinned: int
    warm_up_s: float
    decisions: tuple[Decision, ...]


class Scaling:
    """The loop of hot and cold. `ours` is how the launcher signs what it starts."""

    def __init__(
        self,
        rules: Mapping[Role, RoleScale],
        dispatcher: Dispatcher,
        launching: Launching,
        board: Board,
        ours: str,
        drained: Callable[[], Collection[str]],
        wall: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._dispatcher = dispatcher
        self._launching = launching
        self._board = board
        self._ours = ours
        self._drained = drained
        self._wall = wall
        self._scaler = Scaler(dict(rules))
        self._slots = {role: dict(ASSUMED_SLOTS) for role in rules}
        self._turned_away = dict.fromkeys(QUEUES, 0)
        self._offered = dict.fromkeys(QUEUES, 0)
        self._latest = dict.fromkeys(QUEUES, (0, -math.inf))
        self._launched = dict.fromkeys(rules, 0)
        self._has_led = dict.fromkeys(rules, False)
        self._decisions: dict[Role, deque[Decision]] = {
            role: deque(maxlen=DECISIONS) for role in rules
        }
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        launched = ", ".join(f"{count} {role.value}" for role, count in self._launched.items())
        return f"<Scaling {launched}>"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that are scaled."""
        return tuple(self._rules)

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look at once: a call found nothing hot, or an operator wants something."""
        self._wake.set()

    def status(self, role: Role) -> RoleStatus | None:
        """How it stands with `role`; None when it is not scaled."""
        if role not in self._rules:
            return None
        rule = self._rules[role]
        return RoleStatus(
            role,
            self._launched[role],
            rule.minimum,
            rule.maximum,
            self._board.wishes(role).pinned,
            self._scaler.warm_up_s(role),
            tuple(reversed(self._decisions[role])),
        )

    async def pin(self, role: Role, count: int) -> None:
        """Keep at least so many of a role that is scaled; 0 lets go. Raises BoardError."""
        await self._wish(role, self._board.wishes(role).pin(count))

    async def warm(self, role: Role, count: int, for_s: float) -> None:
        """Have so many of a role that is scaled hot for a while. Raises BoardError."""
        now_s = self._wall().timestamp()
        await self._wish(role, self._board.wishes(role).warm(count, now_s + for_s, now_s))

    async def _wish(self, role: Role, wishes: Wishes) -> None:
        await self._board.wish(role, wishes)
        self.wake()

    async def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception:
                # One bad look must not be the last.
                _log.exception("a look failed")
            await asyncio.sleep(SOON_S)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S - SOON_S)
            self._wake.clear()

    def _look(self) -> None:
        now, pool = self._dispatcher.now_s(), self._dispatcher.pool
        fleet = Fleet(pool.instances, self._ours, frozenset(self._drained()))
        turned_away, arrived = self._count_turned_away(now), self._count_arrived()
        own: dict[Role, dict[Lane, Press]] = {}
        others = self._board.work
        for role in self._rules:
            self._slots[role].update(slots_of(fleet.of(role)))
            press = {}
            for lane in lanes_for(role, self._rules):
                backlog = pool.backlog(lane, now)
                wait_s = backlog.estimated_wait_s if backlog.instances else 0.0
                press[lane] = Press(0, backlog.depth, turned_away[lane], wait_s)
            own[role] = {
                lane: press.get(lane, Press()) + Press(_in_flight(fleet, role, lane))
                for lane in QUEUES
            }
            told = others.get(role, {})
            asked = {lane: press.get(lane, Press()) + told.get(lane, Press()) for lane in QUEUES}
            kept = self._launching.kept(role)
            seen = look(
                role,
                fleet,
                fleet.registered(role) if kept is None else kept,
                asked,
                self._slots[role],
                sum(arrived[lane] for lane in lanes_for(role, self._rules)),
            )
            self._launched[role] = seen.launched
            self._decide(seen, kept, now)
            self._dispatcher.note_ready(role, self._scaler.could_be_ready_s(role, now))
        self._board.tell(own)

    def _decide(self, seen: RoleView, kept: int | None, now: float) -> None:
        """Have the scaler look, and do what it says if this balancer leads."""
        role, wall = seen.role, self._wall()
        was_starting = self._scaler.is_starting(role)
        self._scaler.pin(role, *self._board.wishes(role).floor(wall.timestamp()))
        self._scaler.observe(seen, now, wall)
        for problem in self._launching.take_problems(role):
            _log.warning("launcher has a problem", role=role.value, problem=problem)
            self._decisions[role].append(Decision(wall, seen.launched, seen.launched, problem))
        if self._launching.take_failure(role) and was_starting:
            self._scaler.failed(role, now)
        # At first, after it took over, it only takes in what the launcher has: not all of it needs to be registered yet.
        has_led, self._has_led[role] = self._has_led[role], kept is not None
        if kept is None or not has_led:
            self._scaler.follow(seen, now)
            return
        plan = self._scaler.plan(seen, now, wall)
        if plan is not None:
            _log.info(
                "plan", role=role.value, before=plan.was, after=plan.count, reason=plan.reason
            )
            self._decisions[role].append(Decision(wall, plan.was, plan.count, plan.reason))
            # What the launcher keeps is what runs, without whom it can't stop and with whom an operator drained.
            self._launching.tell(role, max(plan.count - seen.launched + kept, 0))

    def _count_arrived(self) -> dict[Lane, int]:
        """How many came since the last look, by lane."""
        before = self._offered
        self._offered = {lane: self._dispatcher.pool.tally(lane).offered for lane in QUEUES}
        return {lane: self._offered[lane] - before[lane] for lane in QUEUES}

    def _count_turned_away(self, now: float) -> dict[Lane, int]:
        """How many were shed lately because nothing was hot; none any more once something is."""
        counts = {}
        for lane in QUEUES:
            reasons = self._dispatcher.pool.tally(lane).by_reason
            total = reasons[Reason.NO_INSTANCE] + reasons[Reason.WARMING_UP]
            if total > self._turned_away[lane]:
                self._latest[lane] = (total - self._turned_away[lane], now)
                self._turned_away[lane] = total
            count, at_s = self._latest[lane]
            is_news = now - at_s < NEWS_S and self._dispatcher.pool.is_cold(lane)
            counts[lane] = count if is_news else 0
        return counts


def _in_flight(fleet: Fleet, role: Role, lane: Lane) -> int:
    return sum(each.in_flight[lane] for each in fleet.of(role))

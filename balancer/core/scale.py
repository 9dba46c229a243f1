"""Decides how many instances of each role should run, and says why.

Two windows, after Knative's autoscaler: the long one tells how much there is to do, the short one raises an
alarm, during which nothing is stopped. Spillover starts one more before either when those that are hot are full.
Knows nothing about how instances are started or found.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.balancer.core.back_off import BackOff
from tidegate.balancer.core.forecast import Forecast
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.lost import Lost
from tidegate.balancer.core.schedule import Entry, checked_zone, scheduled
from tidegate.balancer.core.warm_up import WarmUp
from tidegate.balancer.core.window import Window

LEAD_S = 5.0
"""A schedule begins so much earlier than the warm-up asks: a look, the registration and the news of it take time."""


@dataclass(frozen=True, slots=True)
class RoleScale:
    """The settings of one role. Times are seconds, shares are of the slots that are hot.

    The windows and the alarm's threshold are Knative's defaults.
    """

    minimum: int = 1
    maximum: int = 1
    use: float = 0.7
    """The share of its slots that an instance is meant to have in use."""
    window_s: float = 60.0
    alarm_window_s: float = 6.0
    alarm_share: float = 2.0
    """The alarm begins when the short window's demand is this many times what is hot."""
    spill_share: float = 1.0
    spill_wait_s: float = 0.5
    spill_after_s: float = 2.0
    """Full, or with such a wait, for so long: one more is started. Half the warm-up if that is shorter."""
    idle_s: float = 300.0
    """What wasn't wanted for so long is stopped."""
    back_off_s: float = 5.0
    back_off_max_s: float = 300.0
    warm_up_s: float = 10.0
    """Assumed until the first start was measured."""
    give_up_s: float = 120.0
    """A start that takes longer has failed."""
    schedule: tuple[Entry, ...] = ()
    forecast_days: int = 0
    """From how many earlier days the load is foretold; 0 foretells nothing."""
    forecast_zone: str = "UTC"

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum: {self.minimum} is not from 0 to maximum, {self.maximum}")
        if self.give_up_s < self.warm_up_s:
            raise ValueError(
                f"give_up_s: {self.give_up_s:g} is below warm_up_s, {self.warm_up_s:g}: a start that takes as long as "
                "expected would be taken for failed; at least that is accepted"
            )
        checked_zone("forecast_zone", self.forecast_zone)


@dataclass(frozen=True, slots=True)
class RoleView:
    """What is seen of a role at one look. `launched` is the count that the launcher was told to keep.

    `slots` are one instance's in the lane that matters; `turned_away` counts the calls that were shed
    since the last look because nothing was hot.
    """

    role: Role
    launched: int
    warming: int
    hot: int
    draining: int
    slots: int
    in_flight: int
    waiting: int
    estimated_wait_s: float
    turned_away: int = 0
    arrived: int = 0
    """Calls that came since the last look: those that are over before the next one show nowhere else."""

    @property
    def starting(self) -> int:
        """Launched and not hot yet, registered or not."""
        return max(self.launched - self.hot, 0)

    @property
    def demand(self) -> int:
        """How many slots would be in use if there were enough."""
        return self.in_flight + self.waiting + self.turned_away


@dataclass(frozen=True, slots=True)
class Plan:
    """Let `count` instances of `role` run instead of `was`."""

    role: Role
    was: int
    count: int
    reason: str


class _RoleState:
    """What the scaler remembers of one role."""

    def __init__(self, settings: RoleScale) -> None:
        self.settings = settings
        self.long = Window(settings.window_s)
        self.short = Window(settings.alarm_window_s)
        self.wanted = Window(settings.idle_s)
        self.warm_up = WarmUp(settings.warm_up_s)
        self.back_off = BackOff(settings.back_off_s, settings.back_off_max_s)
        self.forecast = (
            Forecast(settings.forecast_days, settings.forecast_zone)
            if settings.forecast_days
            else None
        )
        self.lost = Lost()
        self.hot: int | None = None
        self.full_since_s: float | None = None
        self.alarm_until_s = -math.inf
        self.known_from_s = -math.inf
        """From when on calls tell what there is to do; before this they are those that waited for the first."""
        self.lead_s = 0.0
        """With which the entry that is on was found: a start that was quicker than expected must not end it."""
        self.pin: int | None = None
        self.pinned = ""


class Scaler:
    """The one state machine of hot and cold: look by look, `observe` and then `plan`."""

    def __init__(self, settings: dict[Role, RoleScale]) -> None:
        self._states = {role: _RoleState(each) for role, each in settings.items()}

    def observe(self, view: RoleView, now: float, wall: datetime) -> None:
        """Take in a look at a role that has settings; learns its warm-up time too. `wall` knows its time zone."""
        state, settings = self._states[view.role], self._states[view.role].settings
        state.lost.see(view.launched, view.hot)
        view = _without_lost(view, state)
        if state.hot is None:
            # Whoever ran before this balancer had its reasons, for an idle time more.
            state.wanted.learn(view.launched, now)
            # Of these nobody here has begun the start.
            state.hot = view.launched
        became_hot = max(view.hot - state.hot, 0)
        if became_hot and not state.hot:
            state.long, state.short = Window(settings.window_s), Window(settings.alarm_window_s)
            state.known_from_s = now + settings.alarm_window_s
        state.warm_up.note(view.starting, became_hot, now, lost=max(state.hot - view.hot, 0))
        state.hot = view.hot
        if became_hot:
            state.back_off.succeed()
        if now >= state.known_from_s:
            state.long.learn(view.demand, now)
            state.short.learn(view.demand, now)
        if state.forecast is not None:
            state.forecast.learn(view.demand, now, wall)
        capacity = view.hot * view.slots
        is_full = view.hot > 0 and (
            view.demand >= capacity * settings.spill_share
            or view.estimated_wait_s > settings.spill_wait_s
        )
        if not is_full:
            state.full_since_s = None
        elif state.full_since_s is None:
            state.full_since_s = now
        surges = state.short.mean(now) >= capacity * settings.alarm_share
        if capacity and surges:
            state.alarm_until_s = now + settings.window_s

    def follow(self, view: RoleView, now: float) -> None:
        """Take in a look at a role of which another balancer decides: what runs is what is wanted.

        In place of `plan`, so that whoever takes over stops nothing before the idle time.
        """
        state = self._states[view.role]
        state.wanted.learn(_without_lost(view, state).launched, now)

    def plan(self, view: RoleView, now: float, wall: datetime) -> Plan | None:
        """What should change after this look; None when nothing should. `wall` knows its time zone."""
        state = self._states[view.role]
        change = self._change(_without_lost(view, state), state, now, wall)
        if change is None:
            return None
        count, why = change
        if count:
            count += state.lost.count
        state.lost.tell(count)
        return Plan(view.role, view.launched, count, f"{why}; {view.launched} -> {count}")

    def _change(
        self, view: RoleView, state: _RoleState, now: float, wall: datetime
    ) -> tuple[int, str] | None:
        """How many should run of those that count, and why; None for as many as do. `view` has no others."""
        settings, oldest_s = state.settings, state.warm_up.oldest_s
        if oldest_s is not None and now - oldest_s >= settings.give_up_s:
            why = f"not hot after {now - oldest_s:.0f} s"
            if state.warm_up.is_oldest_a_start:
                state.back_off.fail(now)
                return view.launched - state.warm_up.starts, why
            if state.lost.count < settings.maximum:
                state.warm_up.give_up()
                state.lost.give_up()
                view = replace(view, launched=view.launched - 1)
        wanted, why = self._wanted(state, view, now)
        state.wanted.learn(wanted, now)
        floor, floor_why = self._floor(state, view, wall)
        if floor >= wanted:
            wanted, why = floor, floor_why
        count = min(wanted, settings.maximum)
        if count > view.launched:
            if state.back_off.is_on(now):
                return None
            state.warm_up.note(count - view.hot, 0, now)
            return count, why
        if now < state.alarm_until_s and view.launched <= settings.maximum:
            return None
        kept = min(max(int(state.wanted.highest), floor), settings.maximum)
        if kept < view.launched or (state.lost.count and not kept):
            return kept, f"no more were wanted for {settings.idle_s:g} s"
        return None

    def is_starting(self, role: Role) -> bool:
        """Whether a start is under way; an instance that was hot and is lost is none."""
        return self._states[role].warm_up.starts > 0

    def failed(self, role: Role, now: float) -> None:
        """A start failed: none is tried until the back-off is over."""
        self._states[role].back_off.fail(now)

    def warm_up_s(self, role: Role) -> float:
        """How long an instance takes from its start until it is hot, as measured."""
        return self._states[role].warm_up.expected_s

    def ready_s(self, role: Role, now: float) -> float | None:
        """When the next instance is expected to be hot; None when none is starting.

        A start that is late is expected at any moment.
        """
        warm_up = self._states[role].warm_up
        return None if warm_up.oldest_s is None else max(warm_up.oldest_s + warm_up.expected_s, now)

    def could_be_ready_s(self, role: Role, now: float) -> float | None:
        """When a call that comes now and finds nothing hot will find one: the next, or the one that it causes.

        None when none may be started. While starts fail, the next try is what counts.
        """
        state = self._states[role]
        if state.warm_up.oldest_s is not None:
            return self.ready_s(role, now)
        if not state.settings.maximum:
            return None
        return max(state.back_off.until_s, now) + state.warm_up.expected_s

    def pin(self, role: Role, minimum: int | None, why: str = "pinned") -> None:
        """Keep at least so many, whatever happens, but no more than the maximum; None lets go."""
        self._states[role].pin = minimum
        self._states[role].pinned = why

    def _wanted(self, state: _RoleState, view: RoleView, now: float) -> tuple[int, str]:
        """How many the load wants, and why."""
        settings = state.settings
        long, short = state.long.mean(now), state.short.mean(now)
        wanted = _instances(long, view, settings)
        why = f"{long:.1f} slots in use over {settings.window_s:g} s"
        if wanted <= 1 and not view.demand and not view.arrived:
            # How long the last one stays is the idle time's to say, and not the window's.
            wanted, why = 0, "nothing to do"
        elif not wanted:
            wanted, why = 1, "calls come"
        if now < state.alarm_until_s and (sudden := _instances(short, view, settings)) > wanted:
            wanted = sudden
            why = f"alarm: {short:.1f} slots wanted over {settings.alarm_window_s:g} s"
        if not view.hot:
            # However many come at once: how much they need shows when one is hot.
            wanted, why = 0, "nothing to do"
            if view.demand:
                wanted, why = 1, f"{view.demand} calls and nothing hot"
        elif now < state.known_from_s:
            wanted, why = 1, "the first one answers those that waited"
        spills_after_s = min(settings.spill_after_s, state.warm_up.expected_s / 2.0)
        since_s = state.full_since_s
        if since_s is not None and now - since_s >= spills_after_s and view.hot + 1 > wanted:
            wanted = view.hot + 1
            slots = view.hot * view.slots
            why = f"{view.demand} calls for {slots} slots for {now - since_s:.0f} s"
        return wanted, why

    def _floor(self, state: _RoleState, view: RoleView, wall: datetime) -> tuple[int, str]:
        """The least that is kept whatever the load, and why."""
        floor, why = state.settings.minimum, f"minimum {state.settings.minimum}"
        if state.forecast is not None:
            estimate = state.forecast.estimate(wall, state.warm_up.expected_s + LEAD_S)
            foretold = _instances(estimate.slots, view, state.settings) if estimate else 0
            if foretold > floor:
                floor, why = foretold, str(estimate)
        lead_s = max(state.warm_up.expected_s + LEAD_S, state.lead_s)
        entry = scheduled(state.settings.schedule, wall, lead_s)
        state.lead_s = 0.0 if entry is None else lead_s
        if entry is not None and entry.count > floor:
            floor, why = entry.count, f"schedule {entry.cron!r} {entry.zone}"
        if state.pin is not None and state.pin > floor:
            floor, why = state.pin, f"{state.pinned} to {state.pin}"
        return floor, why


def _instances(slots: float, view: RoleView, settings: RoleScale) -> int:
    """How many it takes to have so many slots in use, and no larger a share than is meant to be."""
    return math.ceil(slots / (max(view.slots, 1) * settings.use) - 1e-9)


def _without_lost(view: RoleView, state: _RoleState) -> RoleView:
    """The view without those that hang."""
    return replace(view, launched=view.launched - state.lost.count)

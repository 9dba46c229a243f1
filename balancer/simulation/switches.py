"""What becomes of the promises without one of the mechanisms: each can be switched off.

Most are numbers of the pool's policy, put where they can't act; the others are habits of the sidecar
around the pool. The pool itself is never changed. Knows nothing about gates.
"""

import math
from dataclasses import replace
from enum import Enum

from typing_extensions import assert_never

from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.scale import RoleScale

NEVER = 1_000_000_000
"""More failures, or retries, than any run has."""
MOMENT_S = 0.001
"""Over before anybody looks again."""


class Switch(Enum):
    """A mechanism that a scenario can do `without`."""

    HOLD_BACK = "hold-back"
    """Chat waits while a sentiment does."""
    ARRIVAL_CHECK = "arrival-check"
    """The pool knows deadlines, and refuses what can't keep them."""
    FLOOR = "floor"
    """Chat keeps a share of the slot-seconds."""
    EXACT_TIMER = "exact-timer"
    """Expiry is due at its time, not at the next sweep."""
    RETRY_BUDGET = "retry-budget"
    """Lost calls are sent again up to a share of the active ones."""
    DEGRADED = "degraded"
    """Chats that would wait long are answered in short."""
    SHORT_BUDGET = "short-budget"
    """Short answers take no more than a share of what full ones take."""
    HYSTERESIS = "hysteresis"
    """Short answers end at a lower wait than they begin, and never right after."""
    EJECTION = "ejection"
    """An instance that can't be reached is left alone."""
    EJECTION_GUARD = "ejection-guard"
    """The last living instance is tried all the same."""
    SCHEDULE = "schedule"
    """Instances are hot before a peak that can be foreseen."""
    FORECAST = "forecast"
    """Instances are hot before a peak that was there on earlier days."""
    SPILLOVER = "spillover"
    """One more is started as soon as those that are hot are full."""
    ALARM = "alarm"
    """A surge starts as many as it wants at once, and nothing is stopped meanwhile."""
    IDLE_TIME = "idle-time"
    """What isn't wanted any more stays for a while."""
    BACK_OFF = "back-off"
    """After a start that failed the next is tried later and later."""
    WAITING_ROOM = "waiting-room"
    """While nothing is hot, calls wait for the instance that is coming."""


def scaled_without(rule: RoleScale, switches: frozenset[Switch]) -> RoleScale:
    """The rules of a role with the numbers of `switches` put where they can't act."""
    if Switch.SCHEDULE in switches:
        rule = replace(rule, schedule=())
    if Switch.FORECAST in switches:
        rule = replace(rule, forecast_days=0)
    if Switch.SPILLOVER in switches:
        rule = replace(rule, spill_share=NEVER, spill_wait_s=math.inf)
    if Switch.ALARM in switches:
        rule = replace(rule, alarm_share=math.inf)
    if Switch.IDLE_TIME in switches:
        rule = replace(rule, idle_s=MOMENT_S)
    if Switch.BACK_OFF in switches:
        rule = replace(rule, back_off_s=MOMENT_S, back_off_max_s=MOMENT_S)
    return rule


def without(policy: Policy, switches: frozenset[Switch]) -> Policy:
    """The policy with the numbers of `switches` put where they can't act."""
    for switch in switches:
        match switch:
            case Switch.HOLD_BACK:
                # A share of everything is never reached: chat is always due.
                policy = replace(policy, chat_share=1.0)
            case Switch.FLOOR:
                policy = replace(policy, chat_share=0.0)
            case Switch.RETRY_BUDGET:
                policy = replace(policy, retry_min=NEVER)
            case Switch.DEGRADED:
                policy = replace(policy, degrade_enter_s=math.inf, degrade_leave_s=math.inf)
            case Switch.SHORT_BUDGET:
                policy = replace(policy, short_share=1.0)
            case Switch.HYSTERESIS:
                enter_s = policy.degrade_enter_s
                policy = replace(policy, degrade_leave_s=enter_s, degrade_dwell_s=0.0)
            case Switch.EJECTION:
                policy = replace(policy, eject_after=NEVER)
            case Switch.ARRIVAL_CHECK | Switch.EXACT_TIMER | Switch.EJECTION_GUARD:
                # The sidecar's habits.
                pass
            case (
                Switch.SCHEDULE
                | Switch.FORECAST
                | Switch.SPILLOVER
                | Switch.ALARM
                | Switch.IDLE_TIME
                | Switch.BACK_OFF
                | Switch.WAITING_ROOM
            ):
                # Of the scaler, and of what the sidecar hears from it.
                pass
            case _:
                assert_never(switch)
    return policy

"""What is simulated: fleet, callers, mishaps and gates, as a TOML file states them.

Unknown keys and contradictions are refused with the field named. Knows nothing about files or runs.
"""

import math
from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.policy import LanePolicy, Policy
from tidegate.balancer.scale_settings import ScaleSettings
from tidegate.balancer.simulation.arrivals import Arrivals, Flash, Steps
from tidegate.balancer.simulation.faults import Fault
from tidegate.balancer.simulation.gate import Gate
from tidegate.balancer.simulation.starts import Slots, Starts
from tidegate.balancer.simulation.switches import Switch
from tidegate.balancer.simulation.table import Table
from tidegate.balancer.simulation.visit import Manner, OnShed
from tidegate.balancer.simulation.work import Engine

_USUAL = Policy()
Wait = Annotated[float, Field(gt=0, le=3600)]
Pause = Annotated[float, Field(ge=0, le=3600)]
Places = Annotated[int, Field(ge=0, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[float, Field(ge=0, le=100_000)]


class Settings(Table):
    """The balancer's settings, by the names that they have there."""

    sentiment_wait_s: Wait = _USUAL.lanes[Lane.SENTIMENT].wait_s
    chat_wait_s: Wait = _USUAL.lanes[Lane.CHAT].wait_s
    sentiment_queue_limit: Places = _USUAL.lanes[Lane.SENTIMENT].max_waiting
    chat_queue_limit: Places = _USUAL.lanes[Lane.CHAT].max_waiting
    chat_share: Share = _USUAL.chat_share
    chat_share_window_s: Wait = _USUAL.chat_share_window_s
    slow_start_s: Pause = _USUAL.slow_start_s
    eject_after: Annotated[int, Field(ge=1)] = _USUAL.eject_after
    degrade_enter_s: Wait = _USUAL.degrade_enter_s
    degrade_leave_s: Wait = _USUAL.degrade_leave_s
    degrade_dwell_s: Pause = _USUAL.degrade_dwell_s
    short_share: Share = _USUAL.short_share
    retry_share: Share = _USUAL.retry_share
    retry_min: Places = _USUAL.retry_min

    @model_validator(mode="after")
    def _has_a_band(self) -> "Settings":
        if self.degrade_leave_s > self.degrade_enter_s:
            raise ValueError(
                f"degrade_leave_s: {self.degrade_leave_s:g} is above degrade_enter_s, "
                f"{self.degrade_enter_s:g}"
            )
        return self

    @property
    def policy(self) -> Policy:
        """The pool's policy under these settings."""
        return replace(
            _USUAL,
            lanes={
                Lane.SENTIMENT: LanePolicy(self.sentiment_wait_s, self.sentiment_queue_limit),
                Lane.CHAT: LanePolicy(self.chat_wait_s, self.chat_queue_limit),
            },
            chat_share=self.chat_share,
            chat_share_window_s=self.chat_share_window_s,
            slow_start_s=self.slow_start_s,
            eject_after=self.eject_after,
            degrade_enter_s=self.degrade_enter_s,
            degrade_leave_s=self.degrade_leave_s,
            degrade_dwell_s=self.degrade_dwell_s,
            short_share=self.short_share,
            retry_share=self.retry_share,
            retry_min=self.retry_min,
        )


class Instances(Slots):
    """A group of like instances that run all the time."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    role: Role = Role.BOTH


class Traffic(Table):
    """Callers of one kind: when they come, what they bring, what they put up with."""

    name: Annotated[str, Field(min_length=1)]
    lane: Lane
    arrivals: Arrivals
    prompt_tokens: Tokens = 30
    reply_tokens: Tokens = 64
    deadline_s: Wait = 30.0
    patience_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    on_shed: OnShed = OnShed.LEAVE
    accepts_degraded: bool = True
    attempts: Annotated[int, Field(ge=1, le=10)] = 3

    @field_validator("lane")
    @classmethod
    def _is_a_queue(cls, value: Lane) -> Lane:
        if value not in QUEUES:
            raise ValueError(f"{value.value!r} is not one of {[lane.value for lane in QUEUES]}")
        return value

    @property
    def manner(self) -> Manner:
        """How these callers behave."""
        return Manner(
            self.on_shed, self.attempts, self.deadline_s, self.patience_s, self.accepts_degraded
        )


class Scenario(Table):
    """One file. `without` names mechanisms that are switched off, to see what they are for."""

    title: Annotated[str, Field(min_length=1)]
    story: str = ""
    seed: Annotated[int, Field(ge=0)] = 1
    duration_s: Annotated[float, Field(gt=0, le=1e7)]
    warm_up_s: Annotated[float, Field(ge=0)] = 0.0
    balancers: Annotated[int, Field(ge=1, le=64)] = 1
    notice_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    without: frozenset[Switch] = frozenset()
    settings: Settings = Settings()
    engine: Engine = Engine()
    instances: tuple[Instances, ...] = ()
    scale: dict[Role, ScaleSettings] = Field(default_factory=dict)
    """The rules of each role whose instances are started and stopped, by the names that they have for the balancer."""
    starts: Starts = Starts()
    look_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often the scaler looks."""
    traffic: tuple[Traffic, ...] = Field(min_length=1)
    faults: tuple[Fault, ...] = ()
    gates: tuple[Gate, ...] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Scenario":
        if self.warm_up_s >= self.duration_s:
            raise ValueError(
                f"warm_up_s: {self.warm_up_s:g} leaves nothing of duration_s, {self.duration_s:g}"
            )
        if not self.instances and not self.scale:
            raise ValueError("instances: there are none, and no [scale.ROLE] starts any")
        count = sum(group.count for group in self.instances)
        for number, fault in enumerate(self.faults):
            if fault.at_s >= self.duration_s:
                raise ValueError(
                    f"faults.{number}.at_s: {fault.at_s:g} is not before the end, {self.duration_s:g}"
                )
            for instance in fault.instances or ():
                if instance >= count:
                    raise ValueError(
                        f"faults.{number}.instances: {instance} is not one of the {count} "
                        f"instances, 0 to {count - 1}"
                    )
        names = [each.name for each in self.traffic]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"traffic.{number}.name: {name!r} is taken by another kind")
        for each in self.traffic:
            roles = [*(group.role for group in self.instances), *self.scale]
            if not any(role.serves(each.lane) for role in roles):
                raise ValueError(f"traffic: {each.name!r}: no instance serves {each.lane.value}")
        return self

    @property
    def permanent(self) -> dict[Role, int]:
        """Instances of each role that run all the time."""
        counts = dict.fromkeys(Role, 0)
        for group in self.instances:
            counts[group.role] += group.count
        return counts

    @property
    def disturbance_s(self) -> tuple[float, float]:
        """Begin and end of all that is out of the ordinary; begins at inf when nothing is."""
        begins = [fault.at_s for fault in self.faults]
        ends = [fault.at_s + fault.for_s for fault in self.faults]
        for each in self.traffic:
            arrivals = each.arrivals
            if isinstance(arrivals, Steps) and len(arrivals.steps) > 2:
                begins.append(arrivals.steps[1][0])
                ends.append(arrivals.steps[-1][0])
            elif isinstance(arrivals, Flash):
                begins.append(arrivals.begins_s)
                ends.append(arrivals.begins_s + 3.0 * arrivals.fades_s)
        return min(begins, default=math.inf), max(ends, default=math.inf)

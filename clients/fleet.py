"""What a balancer says of its instances and lanes, as frozen values.

Knows nothing about the wire, nor about how to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Phase(str, Enum):
    """Where an instance stands in its life."""

    UNSPECIFIED = "unspecified"
    COLD = "cold"
    WARMING = "warming"
    HOT = "hot"
    DRAINING = "draining"


class Role(str, Enum):
    """Which calls an instance takes."""

    UNSPECIFIED = "unspecified"
    BOTH = "both"
    SENTIMENT = "sentiment"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """One lane's share of one instance: calls it takes at once, calls this balancer has there."""

    lane: str
    slots: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One instance; slots and in_flight are the sums over its lanes, model is empty if unknown."""

    id: str
    address: str
    phase: Phase
    role: Role
    model: str
    slots: int
    in_flight: int
    lanes: tuple[LaneLoad, ...]


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """A lane's calls by how they ended, since the balancer started; each is counted once."""

    offered: int
    full: int
    degraded: int
    shed: int
    expired: int
    cancelled: int
    failed: int


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane: calls that wait, how long a call that comes now would wait, and the counts."""

    lane: str
    depth: int
    estimated_wait_s: float
    counts: LaneCounts
    shed_by_reason: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScaleDecision:
    """A change of how many instances of a role are to run; a start that failed changes nothing."""

    at: datetime
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True)
class ScaleStatus:
    """What a balancer starts and stops of one role; decisions, at most twenty, are the latest first.

    launched counts permanent instances too; pinned is 0 when nothing is; warm_up_s is as measured.
    """

    role: Role
    launched: int
    minimum: int
    maximum: int
    pinned: int
    warm_up_s: float
    decisions: tuple[ScaleDecision, ...]


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """A snapshot, taken at one instant.

    discovery: where instances are learnt from, "consul URL" or "static".
    version: release of the balancer.
    worker: which of several balancers on one port this is the view of, "2 of 4"; empty where there is one.
    scales: what this balancer starts and stops, a role each; empty where it starts nothing.
    is_leading: whether it is this one that starts and stops, of several before one fleet.
    """

    instances: tuple[InstanceStatus, ...]
    lanes: tuple[LaneStatus, ...]
    discovery: str
    version: str
    worker: str = ""
    scales: tuple[ScaleStatus, ...] = ()
    is_leading: bool = False

"""Where a call may go: what an instance registered, and what this balancer has there.

Knows nothing about how instances are found or reached, nor which one is best.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from typing_extensions import assert_never

from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.eject import Ejection
from tidegate.balancer.core.hold import Hold
from tidegate.balancer.core.limit import Limit
from tidegate.balancer.core.ramp import Ramp


class Phase(Enum):
    """Where an instance stands in its life. Only a hot one gets calls."""

    HOT = "hot"
    WARMING = "warming"
    DRAINING = "draining"
    COLD = "cold"
    GONE = "gone"

    def may_become(self, phase: "Phase") -> bool:
        """Whether one process can go from here to `phase`, moves that we missed included.

        False means that another process has taken the id: what was learnt no longer holds.
        """
        return phase is self or phase in TRANSITIONS[self]


TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.COLD: frozenset({Phase.WARMING, Phase.HOT, Phase.DRAINING, Phase.GONE}),
    # Back to cold: the start failed.
    Phase.WARMING: frozenset({Phase.COLD, Phase.HOT, Phase.DRAINING, Phase.GONE}),
    # Back to warming: its health check fails.
    Phase.HOT: frozenset({Phase.WARMING, Phase.DRAINING, Phase.GONE}),
    Phase.DRAINING: frozenset({Phase.GONE}),
    Phase.GONE: frozenset(),
}


class Role(Enum):
    """Which lanes an instance serves."""

    BOTH = "both"
    SENTIMENT = "sentiment"
    CHAT = "chat"

    def serves(self, lane: Lane) -> bool:
        """Whether calls of `lane` may go to an instance of this role."""
        match lane:
            case Lane.SENTIMENT:
                return self is not Role.CHAT
            case Lane.CHAT | Lane.DEGRADED:
                return self is not Role.SENTIMENT
            case _:
                assert_never(lane)


@dataclass(frozen=True, slots=True)
class Registration:
    """What an instance says of itself. `slots` are the calls that it takes at once, by lane.

    `launched_by` names the launcher that started it and may stop it; empty for a permanent one.
    """

    id: str
    address: str
    phase: Phase
    role: Role = Role.BOTH
    slots: Mapping[Lane, int] = field(default_factory=dict)
    model: str = ""
    version: str = ""
    launched_by: str = ""

    def slots_of(self, lane: Lane) -> int:
        """Slots for `lane`; 0 when the role doesn't serve it."""
        return self.slots.get(lane, 0) if self.role.serves(lane) else 0


@dataclass(slots=True, eq=False)
class Instance:
    """A registered instance as this balancer sees it: 0 <= in flight, counted per lane."""

    registration: Registration
    ejection: Ejection
    in_flight: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    holds: dict[Lane, Hold] = field(default_factory=lambda: {lane: Hold() for lane in Lane})
    limits: dict[Lane, Limit] = field(default_factory=lambda: {lane: Limit() for lane in Lane})
    ramp: Ramp | None = None
    hot_since_s: float = -math.inf
    """When it was seen to become hot; -inf for one that was hot when it was first seen."""
    slots: dict[Lane, int] = field(init=False)
    """What it registered for each lane that its role serves, read once."""
    is_settled: bool = True
    """Whether time alone changes nothing for it: no hold, no ejection, no ramp."""
    _room: dict[Lane, int] = field(init=False)
    """How many calls of each lane it may have while it is settled."""

    def __post_init__(self) -> None:
        self.register(self.registration)

    def register(self, registration: Registration) -> None:
        """Take over what the instance says of itself now."""
        self.registration = registration
        self.slots = {lane: registration.slots_of(lane) for lane in Lane}
        self._measure()

    def warm_up(self, ramp: Ramp | None) -> None:
        """Let it grow to its slots along `ramp`; None gives it all of them."""
        self.ramp = ramp
        self.is_settled = self.is_settled and ramp is None

    def settle(self, now: float) -> bool:
        """Whether time has nothing more to say about it, from now on if not before."""
        if self.ramp is not None and self.ramp.is_over(now):
            self.ramp = None
        self.is_settled = (
            self.ramp is None
            and self.ejection.out_until_s is None
            and all(hold.until_s <= now for hold in self.holds.values())
        )
        return self.is_settled

    @property
    def id(self) -> str:
        """The id under which it registered."""
        return self.registration.id

    @property
    def address(self) -> str:
        """host:port"""
        return self.registration.address

    @property
    def phase(self) -> Phase:
        """Where it stands in its life."""
        return self.registration.phase

    def ends_s(self, lane: Lane, now: float) -> list[float]:
        """When time alone may give it room for `lane`: a hold or an ejection ends, a ramp grows."""
        slots = self.slots[lane]
        grows_s = None if self.ramp is None else self.ramp.grows_s(slots, now)
        ends = self.holds[lane].until_s, self.ejection.out_until_s, grows_s
        return [end for end in ends if end is not None]

    def serves(self, lane: Lane) -> bool:
        """Whether it is hot and has slots for `lane`, free or not."""
        return self.slots[lane] > 0 and self.registration.phase is Phase.HOT

    def limit(self, lane: Lane, now: float) -> int:
        """How many calls of `lane` it may have now: its slots, or less while it is fresh or slow."""
        slots = self.slots[lane]
        allowed = self.limits[lane].allows(slots)
        return allowed if self.ramp is None else min(self.ramp.allows(slots, now), allowed)

    def has_room(self, lane: Lane, now: float) -> bool:
        """Whether one more call of `lane` may go there now."""
        if self.is_settled:
            return self.in_flight[lane] < self._room[lane]
        if not self.serves(lane) or now < self.holds[lane].until_s:
            return False
        if self.ejection.is_on_probation(now) and any(self.in_flight.values()):
            return False
        return self.in_flight[lane] < self.limit(lane, now)

    def adapt(self, lane: Lane, outcome: Outcome, ratio: float) -> Change | None:
        """Take in that a send took `ratio` times as long as usual; the change of limit that follows."""
        if outcome not in (Outcome.FULL, Outcome.DEGRADED):
            return None
        slots, limit = self.slots[lane], self.limits[lane]
        before = limit.allows(slots)
        median = limit.learn(ratio, slots)
        if median is None or (after := limit.allows(slots)) == before:
            return None
        self._measure()
        reason = f"answers take {median:.1f} times as long as usual"
        return Change(
            self.id, f"{lane.value} limit {before}", f"{lane.value} limit {after}", reason
        )

    def learn(self, lane: Lane, outcome: Outcome, now: float) -> Change | None:
        """Take in how a send to it ended; the change of trust that follows, if any.

        What the caller did (hang up, run out of time) says nothing about the instance.
        """
        match outcome:
            case Outcome.LOST | Outcome.CUT:
                self.is_settled = False
                if self.ejection.fail(now):
                    out_s = (self.ejection.out_until_s or now) - now
                    return Change(self.id, "trusted", "ejected", f"unreachable, out {out_s:g} s")
            case Outcome.REFUSED:
                self.is_settled = False
                self.holds[lane].refuse(now)
            case Outcome.FULL | Outcome.DEGRADED | Outcome.INVALID | Outcome.FAILED:
                self.holds[lane].admit()
                if self.ejection.succeed():
                    return Change(self.id, "ejected", "trusted", "answered")
            case Outcome.EXPIRED | Outcome.CANCELLED:
                pass
            case _:
                assert_never(outcome)
        return None

    def _measure(self) -> None:
        is_hot = self.registration.phase is Phase.HOT
        self._room = {
            lane: self.limits[lane].allows(slots) if is_hot else 0
            for lane, slots in self.slots.items()
        }

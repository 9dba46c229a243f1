"""Sees a role as the scaler does: who runs, who may be stopped, and how much there is to do.

What a lane has waiting is for the role that serves nothing else, where that one is scaled, and for both otherwise. Knows
nothing about what follows from it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Instance, Phase, Role
from tidegate.balancer.core.scale import RoleView

ASSUMED_SLOTS: Mapping[Lane, int] = {Lane.SENTIMENT: 16, Lane.CHAT: 8}
"""What a server has unless it is told otherwise; for as long as none of its role was seen."""


@dataclass(frozen=True, slots=True)
class Press:
    """What a lane asks of a role: calls that wait, that were turned away since the last look, and the wait.

    `in_flight` is what other balancers have with the role's instances.
    """

    in_flight: int = 0
    waiting: int = 0
    turned_away: int = 0
    estimated_wait_s: float = 0.0

    @property
    def slots(self) -> int:
        """How many slots it would have in use if there were enough."""
        return self.in_flight + self.waiting + self.turned_away

    def __add__(self, other: "Press") -> "Press":
        return Press(
            self.in_flight + other.in_flight,
            self.waiting + other.waiting,
            self.turned_away + other.turned_away,
            max(self.estimated_wait_s, other.estimated_wait_s),
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances, and which of them are whose.

    `ours` is how the scaler's own launcher signs; `drained` are those that an operator drained and that run on.
    """

    instances: tuple[Instance, ...]
    ours: str
    drained: frozenset[str] = frozenset()

    def of(self, role: Role) -> list[Instance]:
        """Those of exactly this role."""
        return [each for each in self.instances if each.registration.role is role]

    def permanent(self, role: Role) -> int:
        """How many are up that the launcher can't stop."""
        return sum(
            each.phase in (Phase.HOT, Phase.WARMING)
            for each in self.of(role)
            if each.registration.launched_by != self.ours
        )

    def registered(self, role: Role) -> int:
        """How many that the launcher started are up, as far as discovery tells."""
        return sum(
            each.phase in (Phase.HOT, Phase.WARMING)
            for each in self.of(role)
            if each.registration.launched_by == self.ours
        )

    def set_aside(self, role: Role) -> int:
        """How many run on that an operator drained: they serve nobody, and the launcher counts them."""
        return sum(
            each.id in self.drained
            for each in self.of(role)
            if each.registration.launched_by == self.ours
        )


def lanes_for(role: Role, scaled: Collection[Role]) -> tuple[Lane, ...]:
    """The lanes whose waiting calls are for `role`, when so many roles are scaled."""
    alone = {Lane.SENTIMENT: Role.SENTIMENT, Lane.CHAT: Role.CHAT}
    return tuple(
        lane
        for lane in QUEUES
        if role.serves(lane) and (role is alone[lane] or alone[lane] not in scaled)
    )


def slots_of(instances: Iterable[Instance]) -> dict[Lane, int]:
    """One instance's slots by lane, for each lane that any of them serves: those of the smallest."""
    slots: dict[Lane, int] = {}
    for each in instances:
        for lane in QUEUES:
            if each.slots[lane]:
                slots[lane] = min(each.slots[lane], slots.get(lane, each.slots[lane]))
    return slots


def busiest(asked: Mapping[Lane, Press], slots: Mapping[Lane, int]) -> tuple[int, Press]:
    """What the lane with the largest share of its slots in use asks for, and how many slots one instance has for that.

    It is counted in slots of chat where that is among the lanes, so that figures of different looks can be compared; a part of
    a slot is a whole one.
    """
    unit = Lane.CHAT if Lane.CHAT in asked else Lane.SENTIMENT
    lane = max(asked, key=lambda lane: asked[lane].slots / slots[lane])

    def in_unit(count: int) -> int:
        # Whole numbers: a ratio of floats that is a hair too large would be a slot too many.
        return -(-count * slots[unit] // slots[lane])

    most = asked[lane]
    counts = in_unit(most.in_flight), in_unit(most.waiting), in_unit(most.turned_away)
    return slots[unit], Press(*counts, most.estimated_wait_s)


def look(
    role: Role,
    fleet: Fleet,
    kept: int,
    press: Mapping[Lane, Press],
    slots: Mapping[Lane, int],
    arrived: int = 0,
) -> RoleView:
    """The role as the scaler sees it. `kept` is what the launcher was told to keep, `press` is that of the role's lanes,
    `arrived` counts the calls that came since the last look.

    The lane with the largest share of its slots in use is the one that matters.
    """
    members = fleet.of(role)
    phases = [each.phase for each in members]
    asked = {
        lane: press.get(lane, Press()) + Press(sum(each.in_flight[lane] for each in members))
        for lane in QUEUES
        if role.serves(lane)
    }
    unit_slots, most = busiest(asked, slots)
    return RoleView(
        role,
        launched=fleet.permanent(role) + max(kept - fleet.set_aside(role), 0),
        warming=phases.count(Phase.WARMING),
        hot=phases.count(Phase.HOT),
        draining=phases.count(Phase.DRAINING),
        slots=unit_slots,
        in_flight=most.in_flight,
        waiting=most.waiting,
        estimated_wait_s=max((each.estimated_wait_s for each in press.values()), default=0.0),
        turned_away=most.turned_away,
        arrived=arrived,
    )

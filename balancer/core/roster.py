"""The instances that the pool knows, and which of them may get a call.

Takes over whole lists of registrations, as discovery reports them, and notes what changed. Knows nothing
about waiting calls.
"""

from collections.abc import Iterator, Sequence

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.eject import Ejection
from tidegate.balancer.core.instance import Instance, Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.ramp import Ramp


class Roster:
    """Instances by id. Gone ones are forgotten; their calls end with whoever holds them."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._instances: dict[str, Instance] = {}
        # Read at every call, and changed by few: kept ready.
        self._serving: dict[Lane, list[Instance]] = {lane: [] for lane in Lane}
        self._capacity: dict[Lane, int] = {}
        self._unsettled: list[Instance] = []

    def adopt(self, policy: Policy) -> None:
        """Take in instances by other numbers from now on."""
        self._policy = policy

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._instances.values())

    def __str__(self) -> str:
        """Counts by phase: "2 hot, 1 warming"."""
        phases = [instance.phase for instance in self]
        named = (f"{phases.count(each)} {each.value}" for each in Phase if each in phases)
        return ", ".join(named) or "empty"

    def observe(
        self, registrations: Sequence[Registration], reason: str, now: float
    ) -> list[Change]:
        """Make `registrations` the whole truth; return what changed."""
        changes = []
        for registration in registrations:
            known = self._instances.get(registration.id)
            before = known.phase if known else Phase.GONE
            if registration.phase is not before:
                changes.append(
                    Change(registration.id, before.value, registration.phase.value, reason)
                )
            if known is None or not _is_same_process(known.registration, registration):
                self._instances[registration.id] = self._admit(registration)
            else:
                known.register(registration)
            if known is not None and before is not Phase.HOT and registration.phase is Phase.HOT:
                self._welcome(self._instances[registration.id], now)
        for gone in self._instances.keys() - {each.id for each in registrations}:
            before = self._instances.pop(gone).phase
            changes.append(Change(gone, before.value, Phase.GONE.value, reason))
        self._serving = {lane: [each for each in self if each.serves(lane)] for lane in Lane}
        self._spare_the_only_ones(now)
        self._unsettled = [each for each in self if not each.is_settled]
        self._capacity.clear()
        return changes

    def note(self, instance: Instance) -> None:
        """Take in that something happened to the instance: its limits, or its standing with time."""
        self._capacity.clear()
        if not instance.is_settled and instance not in self._unsettled:
            self._unsettled.append(instance)

    def settle(self, now: float) -> None:
        """Let time pass for those that it changes."""
        if self._unsettled:
            self._unsettled = [each for each in self._unsettled if not each.settle(now)]
            self._capacity.clear()

    @property
    def unsettled(self) -> Sequence[Instance]:
        """Those that time alone may change; to look at only."""
        return self._unsettled

    def serving(self, lane: Lane) -> Sequence[Instance]:
        """Hot instances with slots for `lane`, ejected ones included."""
        return self._serving[lane]

    def capacity(self, lane: Lane, now: float) -> int:
        """How many calls of `lane` those that may get any may have together."""
        known = self._capacity.get(lane)
        if known is None:
            known = sum(each.limit(lane, now) for each in self.eligible(lane, now))
            self._capacity[lane] = known
        return known

    def eligible(self, lane: Lane, now: float) -> Sequence[Instance]:
        """Those that may get calls of `lane`, with room or without.

        Ejected ones are left out, unless that would leave none: the last living instance is
        always tried, for a wrong verdict on it would be an outage.
        """
        serving = self._serving[lane]
        if not self._unsettled:
            return serving
        return [each for each in serving if not each.ejection.is_out(now)] or serving

    def _welcome(self, instance: Instance, now: float) -> None:
        """Take one up that was seen to become hot; one that was hot when first seen isn't fresh."""
        # Its check passes again: that is newer than any failure that we saw.
        instance.ejection.succeed()
        if self._policy.slow_start_s:
            instance.hot_since_s = now
            instance.warm_up(Ramp(now, self._policy.slow_start_s))

    def _spare_the_only_ones(self, now: float) -> None:
        """End the ramps in lanes where nobody is established, who could take the calls meanwhile.

        A fleet that starts as a whole would answer with one slot an instance otherwise, but for the
        first: slow start protects a newcomer among others, and none of these has any.
        """
        latest_s = now - self._policy.slow_start_s
        for lane in Lane:
            serving = self.serving(lane)
            if all(each.hot_since_s > latest_s for each in serving):
                for each in serving:
                    each.warm_up(None)

    def _admit(self, registration: Registration) -> Instance:
        policy = self._policy
        ejection = Ejection(policy.eject_after, policy.eject_s, policy.eject_max_s)
        return Instance(registration, ejection)


def _is_same_process(known: Registration, reported: Registration) -> bool:
    return known.phase.may_become(reported.phase) and known.address == reported.address

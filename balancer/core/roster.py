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
                known.registration = registration
            if known is not None and before is not Phase.HOT and registration.phase is Phase.HOT:
                self._welcome(self._instances[registration.id], now)
        for gone in self._instances.keys() - {each.id for each in registrations}:
            before = self._instances.pop(gone).phase
            changes.append(Change(gone, before.value, Phase.GONE.value, reason))
        self._spare_the_only_ones(now)
        return changes

    def serving(self, lane: Lane) -> list[Instance]:
        """Hot instances with slots for `lane`, ejected ones included."""
        return [instance for instance in self if instance.serves(lane)]

    def eligible(self, lane: Lane, now: float) -> list[Instance]:
        """Those that may get calls of `lane`, with room or without.

        Ejected ones are left out, unless that would leave none: the last living instance is
        always tried, for a wrong verdict on it would be an outage.
        """
        serving = self.serving(lane)
        return [each for each in serving if not each.ejection.is_out(now)] or serving

    def _welcome(self, instance: Instance, now: float) -> None:
        """Take one up that was seen to become hot; one that was hot when first seen isn't fresh."""
        # Its check passes again: that is newer than any failure that we saw.
        instance.ejection.succeed()
        if self._policy.slow_start_s:
            instance.ramp = Ramp(now, self._policy.slow_start_s)

    def _spare_the_only_ones(self, now: float) -> None:
        """End the ramps of those without whom a lane has nobody to take its calls meanwhile."""
        for lane in Lane:
            serving = self.serving(lane)
            if not any(each.ramp is None or each.ramp.is_over(now) for each in serving):
                for each in serving:
                    each.ramp = None

    def _admit(self, registration: Registration) -> Instance:
        policy = self._policy
        ejection = Ejection(policy.eject_after, policy.eject_s, policy.eject_max_s)
        return Instance(registration, ejection)


def _is_same_process(known: Registration, reported: Registration) -> bool:
    return known.phase.may_become(reported.phase) and known.address == reported.address

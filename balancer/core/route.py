"""Chooses among instances that all have room: the one with the least outstanding work.

Knows nothing about who is eligible, nor about queues.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Instance


class Random(Protocol):
    """What the core needs of `random.Random`; handed in, so that a run can be repeated."""

    def random(self) -> float:
        """A number from 0 up to, not including, 1."""
        ...


def outstanding_s(instance: Instance, service_s: Mapping[Lane, float]) -> float:
    """Seconds until the instance would have cleared what it has, each lane over its own slots.

    A lane without an estimate counts one second a call, so that counts decide.
    """
    return sum(
        count * (service_s[lane] or 1.0) / instance.registration.slots_of(lane)
        for lane, count in instance.in_flight.items()
        if count and instance.registration.slots_of(lane)
    )


def least_outstanding(
    instances: Sequence[Instance], service_s: Mapping[Lane, float], rng: Random
) -> Instance | None:
    """The instance with the least outstanding work, ties at random; None if there is none."""
    if len(instances) <= 1:
        return instances[0] if instances else None
    loads = [outstanding_s(instance, service_s) for instance in instances]
    least = min(loads)
    best = [instance for instance, load in zip(instances, loads, strict=True) if load == least]
    return best[int(rng.random() * len(best))]

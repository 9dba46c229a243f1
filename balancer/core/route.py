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


SHORT = (Lane.SENTIMENT, Lane.DEGRADED)
"""The lanes whose calls are one pass over a text."""
EVERY = tuple(Lane)


def outstanding_s(
    instance: Instance, service_s: Mapping[Lane, float], lanes: tuple[Lane, ...] = EVERY
) -> float:
    """Seconds until the instance would have cleared what it has, each lane over its own slots.

    A lane without an estimate counts one second a call, so that counts decide.
    """
    outstanding, in_flight = 0.0, instance.in_flight
    for lane in lanes:
        count = in_flight.get(lane)
        if count and (slots := instance.slots[lane]):
            outstanding += count * (service_s[lane] or 1.0) / slots
    return outstanding


def least_outstanding(
    instances: Sequence[Instance], lane: Lane, service_s: Mapping[Lane, float], rng: Random
) -> Instance | None:
    """The instance with the least outstanding work, ties at random; None if there is none.

    A short call first of all keeps away from other short ones, for they share their steps. It is over
    before any chat is, so that how many chats run there, and for how long, says little about it.
    """
    if len(instances) <= 1:
        return instances[0] if instances else None
    if lane in SHORT:
        instances = _least(instances, service_s, SHORT)
    best = _least(instances, service_s, EVERY)
    return best[int(rng.random() * len(best))]


def _least(
    instances: Sequence[Instance], service_s: Mapping[Lane, float], lanes: tuple[Lane, ...]
) -> Sequence[Instance]:
    """Those with the least outstanding work of these lanes; more than one if they are equal."""
    if len(instances) == 1:
        return instances
    loads = [outstanding_s(each, service_s, lanes) for each in instances]
    least = min(loads)
    return [each for each, load in zip(instances, loads, strict=True) if load == least]

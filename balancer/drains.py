"""Keeps the instances that an operator has drained here, and shows them as draining.

Knows nothing about calls, nor about where registrations come from.
"""

from collections.abc import Sequence
from dataclasses import replace

from tidegate.balancer.core.instance import Phase, Registration


class Drains:
    """The membership as discovery tells it, with some of its instances drained by hand."""

    def __init__(self) -> None:
        self._told: tuple[Registration, ...] = ()
        self._drained: set[str] = set()

    def __repr__(self) -> str:
        return f"<Drains {len(self._drained)} of {len(self._told)}>"

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """The membership, the drained ones as draining."""
        return tuple(
            replace(each, phase=Phase.DRAINING) if each.id in self._drained else each
            for each in self._told
        )

    @property
    def by_hand(self) -> frozenset[str]:
        """The drained ones that discovery doesn't tell as draining: they run on."""
        return frozenset(
            each.id
            for each in self._told
            if each.id in self._drained and each.phase is not Phase.DRAINING
        )

    def take(self, registrations: Sequence[Registration]) -> None:
        """Take `registrations` as what discovery tells now; who has left it is forgotten."""
        self._told = tuple(registrations)
        self._drained &= {each.id for each in self._told}

    def drain(self, instance_id: str) -> bool:
        """Drain an instance, again without effect; False when there is none of this id."""
        if all(each.id != instance_id for each in self._told):
            return False
        self._drained.add(instance_id)
        return True

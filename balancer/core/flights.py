"""The sends under way: which call is with which instance.

Each begins once and ends once; an end that comes twice finds nothing. Knows nothing about why a send
began or how it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Instance
from tidegate.balancer.core.lanes import Waiter
from tidegate.balancer.core.verdict import Send


@dataclass(frozen=True, slots=True)
class Flight:
    """One send, the instance that it went to and the place in line that it came from."""

    send: Send
    waiter: Waiter
    instance: Instance


class Flights:
    """All sends under way, counted per lane and weight here and per lane at their instances."""

    def __init__(self) -> None:
        self._flights: dict[int, Flight] = {}
        self._counts = dict.fromkeys(Lane, 0)
        self._heavy = dict.fromkeys(Lane, 0)

    def __len__(self) -> int:
        return len(self._flights)

    def __iter__(self) -> Iterator[Flight]:
        return iter(self._flights.values())

    def count(self, lane: Lane) -> int:
        """Sends of `lane` under way."""
        return self._counts[lane]

    def count_heavy(self, lane: Lane) -> int:
        """Those of them that are heavy."""
        return self._heavy[lane]

    def begin(self, send: Send, waiter: Waiter, instance: Instance) -> None:
        """Take a slot of `instance` for the send."""
        self._flights[send.id] = Flight(send, waiter, instance)
        self._counts[send.lane] += 1
        self._heavy[send.lane] += waiter.is_heavy
        instance.in_flight[send.lane] += 1

    def end(self, send: Send) -> Flight | None:
        """Give the slot back; None if that has happened already."""
        flight = self._flights.pop(send.id, None)
        if flight is not None:
            self._counts[send.lane] -= 1
            self._heavy[send.lane] -= flight.waiter.is_heavy
            flight.instance.in_flight[send.lane] -= 1
        return flight

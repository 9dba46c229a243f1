"""The waiting room of one lane: who waits, in which order, and until when.

Callers take turns, and of each caller the earliest expiry goes first; a call that came back from an instance goes
before all others. A call that leaves frees its place at once: nothing is swept later. Knows nothing about instances.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, takewhile

from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.turns import Turns
from tidegate.balancer.core.work import is_heavy, work_of


@dataclass(frozen=True, slots=True)
class Waiter:
    """A call that waits until `expires_s`, ordered by arrival among equals.

    `returned` is set when an instance refused or lost it; `lost_by` names the one that lost it;
    `degraded` when it is to be answered in short: such a one never stands in a room. `refusals`
    counts the instances that had no slot for it.
    """

    call: Call
    expires_s: float
    order: int
    returned: bool = False
    lost_by: str | None = None
    degraded: bool = False
    refusals: int = 0

    @property
    def lane(self) -> Lane:
        """The lane whose slots it needs."""
        return Lane.DEGRADED if self.degraded else self.call.lane

    @property
    def is_heavy(self) -> bool:
        """Whether it may hold its slot for long."""
        return is_heavy(self.call)

    @property
    def place(self) -> tuple[bool, float, int]:
        """Sort key: returned ones first, then the earliest expiry, then the order of arrival."""
        return (not self.returned, self.expires_s, self.order)


def _place(waiter: Waiter) -> tuple[bool, float, int]:
    return waiter.place


def _work(waiter: Waiter) -> float:
    return work_of(waiter.call)


class WaitingRoom:
    """The waiting calls of one lane, sorted; a caller's own are in order, callers take turns."""

    def __init__(self, shares: Mapping[str, float] | None = None) -> None:
        self._waiters: list[Waiter] = []
        self._by_call: dict[int, Waiter] = {}
        self.size_bytes = 0
        """Those of all messages that wait; to look at only."""
        self.light = 0
        """How many of them are light; to look at only."""
        # Of each caller, those who did not come back from an instance.
        self._lines: dict[str, list[Waiter]] = {}
        self._turns = Turns(shares)

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        """Waiters in the order in which they may go, of a snapshot: the room may change meanwhile."""
        if len(self._lines) <= 1:
            return iter(tuple(self._waiters))
        lines = {caller: tuple(line) for caller, line in self._lines.items()}
        returned = tuple(takewhile(lambda waiter: waiter.returned, self._waiters))
        return chain(returned, self._turns.order(lines, _place, _work))

    def blocks(self, newcomer: Waiter) -> bool:
        """Whether the newcomer would overtake somebody.

        Those who wait for an instance other than the one that lost them block nobody, and a heavy call, for which slots that
        are free may not be, blocks no light one.
        """
        if not (newcomer.is_heavy or self.light):
            return False
        return any(
            waiter.lost_by is None and (newcomer.is_heavy or not waiter.is_heavy)
            for waiter in self._waiters
        )

    def put(self, waiter: Waiter) -> None:
        """Let `waiter` wait."""
        insort(self._waiters, waiter, key=_place)
        self._by_call[waiter.call.id] = waiter
        self.light += not waiter.is_heavy
        self.size_bytes += waiter.call.size_bytes
        if not waiter.returned:
            self._turns.join(waiter.call.caller)
            insort(self._lines.setdefault(waiter.call.caller, []), waiter, key=_place)

    def take(self, call_id: int) -> Waiter | None:
        """Remove and return the waiter of that call; None if it doesn't wait here."""
        waiter = self._by_call.pop(call_id, None)
        if waiter is None:
            return None
        self.light -= not waiter.is_heavy
        self.size_bytes -= waiter.call.size_bytes
        del self._waiters[bisect_left(self._waiters, waiter.place, key=_place)]
        if not waiter.returned:
            line = self._lines[waiter.call.caller]
            del line[bisect_left(line, waiter.place, key=_place)]
            if not line:
                del self._lines[waiter.call.caller]
                self._turns.leave(waiter.call.caller)
        return waiter

    def serve(self, waiter: Waiter) -> None:
        """Remove a waiter that goes to an instance: its caller has had a turn."""
        if not waiter.returned:
            self._turns.charge(waiter.call.caller, work_of(waiter.call))
        self.take(waiter.call.id)

    def ahead_of(self, waiter: Waiter) -> int:
        """How many would go before `waiter` if it waited here."""
        caller = waiter.call.caller
        if waiter.returned or self._lines.keys() <= {caller}:
            return bisect_left(self._waiters, waiter.place, key=_place)
        own = bisect_left(self._lines.get(caller, ()), waiter.place, key=_place)
        lengths = {each: len(line) for each, line in self._lines.items()}
        returned = len(self._waiters) - sum(lengths.values())
        return returned + self._turns.ahead(caller, own, lengths)

    @property
    def next_expiry_s(self) -> float | None:
        """When the first of them expires; None when nobody waits."""
        earliest = None
        for waiter in self._waiters:
            if earliest is None or waiter.expires_s < earliest:
                earliest = waiter.expires_s
            if not waiter.returned:
                # From here on they are sorted by expiry.
                break
        return earliest

    def take_expired(self, now: float) -> list[Waiter]:
        """Remove and return all whose time is up."""
        expired = []
        for waiter in tuple(self._waiters):
            if waiter.expires_s <= now:
                self.take(waiter.call.id)
                expired.append(waiter)
            elif not waiter.returned:
                break
        return expired

"""Decides whose turn it is among the callers of a lane: theirs who were served least.

Work is what is shared, by each caller's part. One who comes anew begins where the least served of the others stands, so that a pause
earns no credit. Shares as deficit round robin does, to within one call, and has no quantum to choose.
Remembers only callers who wait, so that names without end can't grow it. Knows nothing about expiry.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any, TypeVar

_Turn = TypeVar("_Turn")


class Turns:
    """The work that each waiting caller was given, on one common scale."""

    def __init__(self, shares: Mapping[str, float] | None = None) -> None:
        """`shares` are the parts of callers who have another one than 1."""
        self._served: dict[str, float] = {}
        self._shares = shares or {}

    def __len__(self) -> int:
        return len(self._served)

    def join(self, caller: str) -> None:
        """Let a caller take part, if it doesn't yet."""
        if caller not in self._served:
            self._served[caller] = self._start

    def leave(self, caller: str) -> None:
        """Forget a caller who has nobody waiting any more."""
        del self._served[caller]

    def charge(self, caller: str, work: float) -> None:
        """Note that a call of the caller was served."""
        self._served[caller] += self._part(caller, work)

    def order(
        self,
        lines: Mapping[str, Sequence[_Turn]],
        place: Callable[[_Turn], Any],
        work: Callable[[_Turn], float],
    ) -> Iterator[_Turn]:
        """The calls of all lines as they would be served if all had room.

        Each line is a caller's calls in order. Of two callers who were served alike, the one whose
        next call has the lower place goes first.
        """
        heap = [(self._served[caller], place(line[0]), caller, 0) for caller, line in lines.items()]
        heapify(heap)
        while heap:
            served, _, caller, index = heap[0]
            line = lines[caller]
            yield line[index]
            if index + 1 < len(line):
                served += self._part(caller, work(line[index]))
                heapreplace(heap, (served, place(line[index + 1]), caller, index + 1))
            else:
                heappop(heap)

    def ahead(self, caller: str, own: int, lengths: Mapping[str, int]) -> int:
        """How many calls would go before one of `caller` that has `own` calls of its own before it.

        Takes calls as units of work; of equals, the others go first.
        """
        until = self._served.get(caller, self._start) + self._part(caller, own)
        ahead = own
        for other, length in lengths.items():
            if other != caller:
                turns = int((until - self._served[other]) * self._shares.get(other, 1.0)) + 1
                ahead += min(length, max(turns, 0))
        return ahead

    def _part(self, caller: str, work: float) -> float:
        """Work on the common scale: half of it for a caller whose part is twice that of others."""
        return work / self._shares.get(caller, 1.0) if self._shares else work

    @property
    def _start(self) -> float:
        return min(self._served.values(), default=0.0)

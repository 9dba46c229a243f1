"""Remembers what waits for its own caller, and since when, in the order in which it began to.

Pure; times are of one monotonic clock. Knows nothing about calls.
"""

from typing import Generic, TypeVar

Call = TypeVar("Call")


SPARED_S = 0.1
"""Whoever means well has its message here, and takes its answer, within milliseconds; in a rush hundreds may be at it at once."""


class Stalls(Generic[Call]):
    """Calls that wait for their callers; not many more than `most` at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        # A dict keeps the order in which they came.
        self._since_s: dict[Call, float] = {}

    def __len__(self) -> int:
        return len(self._since_s)

    def begin(self, call: Call, now_s: float) -> Call | None:
        """`call`, which didn't, waits from now on. Returns the one that is one too many for it: that which has waited longest,
        unless it came just now itself.
        """
        self._since_s[call] = now_s
        if len(self._since_s) <= self._most:
            return None
        oldest, since_s = next(iter(self._since_s.items()))
        if now_s - since_s < SPARED_S:
            return None
        del self._since_s[oldest]
        return oldest

    def end(self, call: Call) -> bool:
        """`call` waits no more. Returns whether it did."""
        return self._since_s.pop(call, None) is not None

    def take_older(self, since_s: float) -> list[Call]:
        """Take out those that have waited since then or longer."""
        overdue = []
        for call, began_s in self._since_s.items():
            if began_s > since_s:
                break
            overdue.append(call)
        for call in overdue:
            del self._since_s[call]
        return overdue

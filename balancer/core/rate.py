"""Decides whether a caller may make another call yet: so many a second, and as many at once as a second holds.

A token bucket. Knows nothing about clocks or callers.
"""


class Rate:
    """A bucket that fills at `per_s`; it is full at first, and holds a second's worth, one call at least."""

    __slots__ = ("_at_s", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._most = max(per_s, 1.0)
        self._left = self._most
        self._at_s = now

    def __repr__(self) -> str:
        return f"<Rate {self._per_s:g}/s, {self._left:.1f} left>"

    def take(self, now: float) -> float:
        """Take one call; 0 when there was one, else the seconds until there will be."""
        self._left = min(self._most, self._left + (now - self._at_s) * self._per_s)
        self._at_s = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self._per_s

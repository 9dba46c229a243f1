"""What operators want of a role: so many hot until they let go, or for a while.

Kept where all balancers of a fleet read it, so times are the wall clock's. Knows nothing about where that is.
"""

import json
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Wishes:
    """A pin (0: none), and how many are to be hot until when, in seconds since 1970."""

    pinned: int = 0
    warmed: tuple[tuple[int, float], ...] = ()

    @classmethod
    def read(cls, text: str) -> "Wishes":
        """Read what `text` wrote. Raises ValueError."""
        try:
            said = json.loads(text)
            warmed = tuple((int(count), float(until_s)) for count, until_s in said["warmed"])
            return cls(int(said["pinned"]), warmed)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{text!r} is no wish: {error!r}") from None

    @property
    def text(self) -> str:
        """The wishes as text."""
        return json.dumps({"pinned": self.pinned, "warmed": self.warmed})

    def pin(self, count: int) -> "Wishes":
        """The wishes with this pin in place of the former; 0 lets go."""
        return replace(self, pinned=count)

    def warm(self, count: int, until_s: float, now_s: float) -> "Wishes":
        """The wishes with one more, without those that are over."""
        kept = tuple(each for each in self.warmed if each[1] > now_s)
        return replace(self, warmed=(*kept, (count, until_s)))

    def floor(self, now_s: float) -> tuple[int | None, str]:
        """How many are to be hot now, None for any number, and by what: "pinned" or "warmed"."""
        warmed = max((count for count, until_s in self.warmed if until_s > now_s), default=0)
        if not max(warmed, self.pinned):
            return None, ""
        return (self.pinned, "pinned") if self.pinned >= warmed else (warmed, "warmed")

"""Counts the instances that hang: hot once, and then not for so long that another one takes their place.

Which of its instances that is a launcher can't be told, so each runs on and counts for nothing, until it is hot again or has
ended. Knows nothing about when one is given up.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Lost:
    """How many there are of one role."""

    count: int = 0
    _launched: int = 0

    def give_up(self) -> None:
        """One more is counted no longer."""
        self.count += 1

    def see(self, launched: int, hot: int) -> None:
        """Take in how many are launched and hot; fewer than were told to run means that some have ended."""
        ended = max(self._launched - launched, 0)
        self.count = min(max(self.count - ended, 0), max(launched - hot, 0))
        self._launched = launched

    def tell(self, launched: int) -> None:
        """Take in that so many are to run: who is stopped now has not ended by itself."""
        self._launched = launched

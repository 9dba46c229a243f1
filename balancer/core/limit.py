"""Decides how many of its slots an instance may use, by how long its answers take.

Additive increase, multiplicative decrease: when half of the last 16 answers took more than twice as long
as is usual in their lane, a tenth less; when not, one more, or a twentieth of the slots where that is more. The slots
that it registered are the upper bound: they are known, so nothing is probed. Knows nothing about what is usual.
"""

from dataclasses import dataclass, field

WINDOW = 16
"""Answers to judge by: with replies of very different length, fewer would often look slow by chance."""
TOLERANCE = 2.0
BACKOFF = 0.9
STEP = 0.05
"""Of the slots: with a thousand of them, one more at a time would take hours of usual answers, and a line in the log for each."""


@dataclass(slots=True)
class Limit:
    """The limit of one lane of one instance, from 1 to its slots."""

    value: float = float("inf")
    _ratios: list[float] = field(default_factory=list)

    def allows(self, slots: int) -> int:
        """How many of `slots` may be used; one at least, where there is one."""
        return min(slots, max(int(min(self.value, slots)), 1))

    def learn(self, ratio: float, slots: int) -> float | None:
        """Take in an answer that took `ratio` times as long as usual.

        Returns the median of a full window, by which the limit was then set; None before that.
        """
        self._ratios.append(ratio)
        if len(self._ratios) < WINDOW:
            return None
        median = sorted(self._ratios)[(WINDOW - 1) // 2]
        self._ratios.clear()
        if median > TOLERANCE:
            self.narrow(slots)
        else:
            self.value = min(self.value, slots) + max(slots * STEP, 1.0)
        return median

    def narrow(self, slots: int) -> None:
        """Allow a tenth less."""
        self.value = max(min(self.value, slots) * BACKOFF, 1.0)

"""Keeps slots of a lane for light calls when heavy ones would take them all: as many as light ones had lately, and one more.

A heavy call holds its slot for many times as long as a usual one, a stream for as long as its caller likes. Taking turns in the
lane is no help against those who have the slots already. Knows nothing about callers: whoever means harm has many names.
"""

SPAN_S = 10.0
"""Light calls are remembered for between one and two of these."""
MOST = 0.75
"""Part of the slots that is kept at most, so that heavy calls go on when light ones could fill the lane."""


class ElbowRoom:
    """What one lane keeps free."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self._highest = 0
        self._highest_before = 0

    def note(self, light: int, now: float) -> None:
        """Take in that so many light calls are under way."""
        if now - self._began_s >= SPAN_S:
            is_old = now - self._began_s >= 2 * SPAN_S
            self._highest_before = light if is_old else self._highest
            self._highest, self._began_s = light, now
        elif light > self._highest:
            self._highest = light

    def admits(self, heavy: int, slots: float) -> bool:
        """Whether one more heavy call may be under way, beside so many, in a lane of `slots`."""
        if not heavy:
            return True
        light = max(self._highest, self._highest_before)
        kept = min(light + 1, slots * MOST) if light else 0.0
        return heavy + 1 <= slots - kept

"""Decides how long to leave a lane of an instance alone after it refused a call for want of room.

Several balancers share the instances, so that our own count of free slots can be wrong: the
instance has the last word. The hold starts short, doubles while refusals go on and ends with the
first call that gets in. Knows nothing about who else fills the slots.
"""

from dataclasses import dataclass

FIRST_S = 0.05
"""About one short classification: the soonest that a slot is likely to be free again."""
LONGEST_S = 0.2
"""How often a lane as a whole asks again is for its share to say (see share.py). With a second here the balancer that has
calls there, whose ends lift the hold, found free slots before the others did."""


@dataclass(slots=True)
class Hold:
    """The holds of one lane of one instance."""

    until_s: float = 0.0
    next_s: float = FIRST_S

    def refuse(self, now: float) -> None:
        """Note a refusal. Refusals that arrive during a hold are of older sends, and don't add up."""
        if now < self.until_s:
            return
        self.until_s = now + self.next_s
        self.next_s = min(self.next_s * 2.0, LONGEST_S)

    def admit(self) -> None:
        """Note that a call got in."""
        self.until_s, self.next_s = 0.0, FIRST_S

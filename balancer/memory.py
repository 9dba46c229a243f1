"""Decides how much of a Consul answer to believe.

A Consul that has lost its memory (a restarted agent, a restored cluster) shows itself by an index that went
backwards, and for a while knows of nobody. Instances that were known before are then kept until they had
time to register again; those that are really gone are ejected by their transport failures meanwhile.
Knows nothing about Consul's API.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.balancer.core.instance import Registration

REGISTER_AGAIN_S = 15.0
"""Instances look after their registration every few seconds; the rest is for a slow start."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is believed now. `index` is the one to ask the next question with, None for none."""

    index: int | None = None
    registrations: tuple[Registration, ...] = ()
    former: tuple[Registration, ...] = ()
    former_until_s: float = 0.0

    def believe(self, index: int, answer: Sequence[Registration], now: float) -> "Memory":
        """The memory after an answer."""
        went_back = self.index is not None and index < self.index
        former = self.registrations if went_back else self.former
        until_s = now + REGISTER_AGAIN_S if went_back else self.former_until_s
        if now >= until_s:
            former = ()
        present = {each.id for each in answer}
        kept = tuple(each for each in former if each.id not in present)
        return replace(
            self,
            # An index below 1 would make the next question return at once, for ever.
            index=index if index > 0 and not went_back else None,
            registrations=(*answer, *kept),
            former=kept,
            former_until_s=until_s,
        )

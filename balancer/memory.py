"""Decides how much of a Consul answer to believe.

A Consul that has lost its memory (a restarted agent, a restored cluster) shows itself by an index that went
backwards, and for a while knows of nobody. Instances that were known before are then kept until they had
time to register again, and to pass their first check; those that are really gone are ejected by their transport failures
meanwhile.
Knows nothing about Consul's API.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.balancer.core.instance import Phase, Registration

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
        said = {each.id: each for each in answer}
        kept = tuple(each for each in former if not _is_settled(each, said.get(each.id)))
        believed = {each.id for each in kept}
        told = tuple(each for each in answer if each.id not in believed)
        return replace(
            self,
            # An index below 1 would make the next question return at once, for ever.
            index=index if index > 0 and not went_back else None,
            registrations=(*told, *kept),
            former=kept,
            former_until_s=until_s,
        )


def _is_settled(before: Registration, said: Registration | None) -> bool:
    """Whether what is said now counts: one that was hot and has registered again waits for its first check."""
    return said is not None and not (before.phase is Phase.HOT and said.phase is Phase.WARMING)

"""Which slots are free, and what the free ones still hold of the prompts that were in them.

A slot that is given back keeps its keys and values until it is taken again, so the next turn of a
conversation finds its past where it was left, and copies nothing. The least recently used
slot goes first. Matched on exact token ids: no prompt is continued from another one's text.
Knows token ids and numbers only; what lies in a slot is the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.server.engine.prefixes import common


@dataclass(frozen=True, slots=True)
class Place:
    """A slot that was taken, and how many tokens of the prompt it holds already."""

    slot: int
    held: int


class Slots:
    """`count` slots, the last `reserved` of them for labels and the others for replies.

    So a label always finds one, and never takes that of a conversation. Without reserved ones
    (an instance that only chats), all are for both.
    """

    def __init__(self, count: int, reserved: int) -> None:
        self.count = count
        self.reserved = reserved
        # Least recently used first.
        self._free = list(range(count))
        self._held: dict[int, list[int]] = {}

    def __repr__(self) -> str:
        return f"<Slots {self.free} of {self.count} free>"

    @property
    def labels(self) -> int:
        """Slots that labels may have."""
        return self.reserved or self.count

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return len(self._free)

    def for_reply(self, tokens: Sequence[int], kept: int) -> Place | None:
        """Take a slot for a reply; None when none may be taken.

        `kept` of the tokens could be had elsewhere: only a slot that holds more is worth
        overwriting before its turn.
        """
        return self._take(
            [slot for slot in self._free if not self._is_reserved(slot)], tokens, kept
        )

    def for_label(self, tokens: Sequence[int], kept: int) -> Place | None:
        """Take a slot for labels, as `for_reply` does for a reply."""
        return self._take(
            [slot for slot in self._free if self._is_reserved(slot) or not self.reserved],
            tokens,
            kept,
        )

    def give_back(self, slot: int, held: list[int]) -> None:
        """Free a slot whose keys and values are those of the tokens `held`."""
        self._held[slot] = held
        self._free.append(slot)

    def _is_reserved(self, slot: int) -> bool:
        return slot >= self.count - self.reserved

    def _take(self, among: list[int], tokens: Sequence[int], kept: int) -> Place | None:
        if not among:
            return None
        # One token at least is left to compute.
        held = {slot: common(self._held.get(slot, ()), tokens[:-1]) for slot in among}
        slot = max(among, key=held.__getitem__)
        if held[slot] <= kept:
            slot = among[0]
        self._free.remove(slot)
        self._held.pop(slot, None)
        return Place(slot, held[slot])

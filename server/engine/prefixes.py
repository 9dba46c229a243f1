"""Which beginnings of prompts are worth keeping, and which of them a new prompt begins with.

Keyed on exact token ids, so that no prompt can be continued from another one's text. Knows ids
and lengths only; the keys and values lie with the model.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def common(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    length = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        length += 1
    return length


@dataclass(frozen=True, slots=True)
class Prefix:
    """A kept beginning: its id with the model, and its tokens."""

    id: int
    tokens: tuple[int, ...]


class Prefixes:
    """The kept prefixes, least recently used first; never more tokens than `capacity_tokens`."""

    def __init__(self, capacity_tokens: int) -> None:
        self.capacity_tokens = capacity_tokens
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()
        self._next_id = 0

    def __repr__(self) -> str:
        return f"<Prefixes {len(self._kept)} kept, {self.size_tokens} tokens>"

    @property
    def size_tokens(self) -> int:
        """Tokens in all kept prefixes."""
        return sum(map(len, self._kept))

    def __contains__(self, tokens: object) -> bool:
        return tokens in self._kept

    def longest(self, tokens: Sequence[int]) -> Prefix | None:
        """Return the longest kept prefix of `tokens` that leaves a token to compute, or None."""
        best: Prefix | None = None
        for kept, prefix in self._kept.items():
            longer = best is None or len(kept) > len(best.tokens)
            if longer and len(kept) < len(tokens) and tuple(tokens[: len(kept)]) == kept:
                best = prefix
        if best is not None:
            self._kept.move_to_end(best.tokens)
        return best

    def keep(self, tokens: Iterable[int]) -> tuple[Prefix | None, list[Prefix]]:
        """Take `tokens` in; return the new prefix and those that had to go for it.

        None when they are kept already, or are more than the capacity alone.
        """
        key = tuple(tokens)
        if key in self._kept or not key or len(key) > self.capacity_tokens:
            return None, []
        evicted = []
        while self.size_tokens + len(key) > self.capacity_tokens:
            evicted.append(self._kept.popitem(last=False)[1])
        prefix = Prefix(self._next_id, key)
        self._next_id += 1
        self._kept[key] = prefix
        return prefix, evicted

    def drop(self, prefix: Prefix) -> None:
        """Let go of a kept prefix."""
        del self._kept[prefix.tokens]

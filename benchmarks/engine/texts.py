"""Texts of a given length, never the same twice: nothing may be answered from a cache by luck."""

import random

# Frequent characters of the ideographic block, where a character is one token in every
# tokenizer that this benchmark makes.
_FIRST, _LAST = 0x4E00, 0x9FA0


class Texts:
    """An endless, seeded supply."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, characters: int) -> str:
        """Return a text of exactly `characters` Chinese characters."""
        return "".join(chr(self._random.randint(_FIRST, _LAST)) for _ in range(characters))

    def many(self, count: int, characters: int) -> list[str]:
        """Return `count` different texts of `characters` each."""
        return [self.one(characters) for _ in range(count)]

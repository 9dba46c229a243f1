"""Remembers answers for a while, and decides when one is no longer true.

An answer is good for its time to live, and as long as no answer of another version has been seen for its subject (a profile):
the first of those makes all older ones of it worthless. Holds a bounded number of bytes and forgets what was not
asked for the longest. Knows nothing about what keys and answers are.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

MOST_BYTES = 64 << 20
ENTRY_BYTES = 512
"""What an entry takes beside its key and its answer."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Answer]):
    answer: Answer
    subject: str
    until_s: float
    size_bytes: int


class AnswerCache(Generic[Answer]):
    """Answers by key for `live_s` seconds; with 0 it keeps nothing."""

    def __init__(self, live_s: float, most_bytes: int = MOST_BYTES) -> None:
        self._live_s = live_s
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, _Entry[Answer]] = OrderedDict()
        self._versions: dict[str, str] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._live_s > 0

    def find(self, key: Hashable, now: float) -> Answer | None:
        """The answer for `key`; None when there is none that is still good."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.until_s:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def keep(
        self, key: Hashable, answer: Answer, subject: str, version: str, size_bytes: int, now: float
    ) -> None:
        """Remember an answer of `version` about `subject`; answers of its other versions are over."""
        if self._versions.get(subject, version) != version:
            for each in [key for key, entry in self._entries.items() if entry.subject == subject]:
                self._drop(each)
        self._versions[subject] = version
        if key in self._entries:
            self._drop(key)
        entry = _Entry(answer, subject, now + self._live_s, size_bytes + ENTRY_BYTES)
        if not self.is_on or entry.size_bytes > self._most_bytes:
            return
        self._entries[key] = entry
        self._bytes += entry.size_bytes
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._entries.pop(key).size_bytes

"""What was measured: one run of one contestant, as a frozen value.

Knows nothing about how it was measured, nor about what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Name(str, Enum):
    """Who runs; the values are what a person reads."""

    OURS = "tidegate-server"
    PIPELINE = "pipeline"
    SPLIT = "split"


class Measure(Enum):
    """What is compared, with its unit."""

    START = "start to the first answer", "s"
    LABEL = "one label", "ms"
    FIRST_WORDS = "first words of a chat", "ms"
    CHAT = "one chat", "tokens/s"
    MEMORY = "peak memory", "GB"

    def __init__(self, title: str, unit: str) -> None:
        self.title = title
        self.unit = unit


@dataclass(frozen=True, slots=True)
class Run:
    """A contestant from its start to its end, in one round.

    label_s, first_words_s and chat_tokens_per_s have an entry a call. good_labels counts the
    answers that were one of the labels. peak_bytes is None where the system doesn't tell.
    """

    name: Name
    start_s: float
    label_s: tuple[float, ...]
    first_words_s: tuple[float, ...]
    chat_tokens_per_s: tuple[float, ...]
    good_labels: int
    peak_bytes: int | None

    def figures(self, measure: Measure) -> tuple[float, ...]:
        """What was measured of one kind, in its unit; empty when nothing was."""
        match measure:
            case Measure.START:
                return (self.start_s,)
            case Measure.LABEL:
                return tuple(1e3 * one for one in self.label_s)
            case Measure.FIRST_WORDS:
                return tuple(1e3 * one for one in self.first_words_s)
            case Measure.CHAT:
                return self.chat_tokens_per_s
            case Measure.MEMORY:
                return () if self.peak_bytes is None else (self.peak_bytes / 1e9,)

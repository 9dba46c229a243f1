"""What one step of the model computes, and what comes of it: plain values.

A batch is ragged: each row brings as many tokens as it has, from 1 (a reply being written) to a
whole chunk of a prompt, and all rows go through the model together.
"""

from dataclasses import dataclass
from typing import Protocol

from tidegate.server.engine.sequence import Write


@dataclass(frozen=True, slots=True)
class Ask:
    """Aim of a row: the logits of a few tokens."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence's part of a step.

    `tokens` go to the positions `start`, `start + 1`, … of `slot`. `aim` is what is wanted of
    the last of them; None while a prompt is not complete. `written` is what the reply said so far.
    """

    slot: int
    start: int
    tokens: tuple[int, ...]
    aim: Ask | Write | None = None
    written: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """Before the rows: copy a kept prefix to the beginning of a slot."""

    prefix_id: int
    slot: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything of one step, in the order in which it is done: recalls, then rows."""

    recalls: tuple[Recall, ...]
    rows: tuple[Row, ...]

    @property
    def size_tokens(self) -> int:
        """Tokens that go through the model: of prompts, and one for each reply."""
        return sum(len(row.tokens) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Logits:
    """The logits of the tokens that a row asks about, in their order."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """The token that a row's reply goes on with."""

    id: int


@dataclass(frozen=True, slots=True)
class NotFinite:
    """The row's logits were NaN or infinite: there is no answer in them."""


Result = Logits | Token | NotFinite | None


class Model(Protocol):
    """Runs batches over slots that remember. One thread calls it."""

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens with which the model ends a reply."""
        ...

    def run(self, batch: Batch) -> list[Result]:
        """Compute a step; return one result for each row, None where nothing was wanted."""
        ...

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        """Copy what a slot begins with, that of `tokens`, under `prefix_id`."""
        ...

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        """Put under `prefix_id` what an earlier run kept of `tokens`; return whether there is any."""
        ...

    def forget(self, prefix_id: int) -> None:
        """Let go of what `keep` or `restore` put there."""
        ...

"""Says when each call is due, what kind it is, and what its caller does: open-loop, drawn from a seed.

Pure. Knows nothing of clients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from benchmarks.soak.ending import Kind
from tidegate.clients.load.sentences import QUESTIONS, REVIEWS, varied

STREAM_ITEMS = 6
"""Texts of one label stream. An instance has four of them in its engine at once, in the one slot that the stream takes."""
_STREAM_WORTH = 2.0
"""A stream holds its slot as long as so many labels."""
_STREAMED = 0.15
"""Share of the labels' capacity that goes to streams."""
_TWINS = 0.03
"""Labels that come with an equal one beside them: a balancer answers both by one forward pass."""
_CHATS = {Kind.CHAT: 0.35, Kind.STREAMED: 0.3, Kind.JUDGED: 0.2, Kind.PAGE: 0.15}
_HANG_UPS = 0.04
_HEEDLESS = 0.2
"""Callers of chats that don't come back when they are told to."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call due `at_s` after the start. `hangs_up_s` after it its caller leaves; a heedless one makes one attempt."""

    at_s: float
    kind: Kind
    text: str
    hangs_up_s: float | None = None
    is_heedless: bool = False
    has_twin: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Calls a second: labels alone and chats, when instances do nothing else."""

    labels: float
    chats: float

    def times(self, share: float) -> "Rates":
        """A share of it."""
        return Rates(share * self.labels, share * self.chats)


def arrivals(rates: Rates, lasts_s: float, seed: int) -> Iterator[Arrival]:
    """Yield the calls of a run, in order."""
    rng = Random(f"traffic {seed}")
    per_s = {
        Kind.LABEL: rates.labels * (1 - _STREAMED) / (1 + _TWINS),
        Kind.LABELS: rates.labels * _STREAMED / _STREAM_WORTH,
        **{kind: rates.chats * share for kind, share in _CHATS.items()},
    }
    total, at_s = sum(per_s.values()), 0.0
    while (at_s := at_s + rng.expovariate(total)) < lasts_s:
        (kind,) = rng.choices(list(per_s), list(per_s.values()))
        text = varied(rng.choice(REVIEWS if kind.lane == "sentiment" else QUESTIONS), rng)
        longest_s = 1.0 if kind.lane == "sentiment" else 5.0
        leaves_s = rng.uniform(0.2, longest_s) if rng.random() < _HANG_UPS else None
        is_heedless = kind.lane == "chat" and rng.random() < _HEEDLESS
        has_twin = kind is Kind.LABEL and leaves_s is None and rng.random() < _TWINS
        yield Arrival(at_s, kind, text, leaves_s, is_heedless, has_twin)

"""Who calls, how often, with what: the plan of a load, and the arrivals that come of it.

Arrivals are open-loop Poisson, seeded: they don't wait for answers, and every system gets the same ones.
Knows nothing of gRPC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from math import inf
from random import Random

from benchmarks.engine.texts import Texts


class Lane(Enum):
    """The two kinds of calls that are made."""

    SENTIMENT = "sentiment"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Callers:
    """Callers of one kind. `rates` are calls a second, each from a second of the run on."""

    lane: Lane
    rates: tuple[tuple[float, float], ...]
    deadline_s: float
    characters: int = 30
    reply_tokens: float = 20.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call to be made `at_s` after the start; `tokens` is the length of its reply, 0 for a label."""

    at_s: float
    lane: Lane
    deadline_s: float
    text: str
    tokens: int


def arrivals(callers: tuple[Callers, ...], duration_s: float, seed: int) -> list[Arrival]:
    """Return all calls of a run, in order."""
    coming = [
        arrival
        for number, each in enumerate(callers)
        for arrival in _of(each, duration_s, 1000 * seed + number)
    ]
    return sorted(coming, key=lambda arrival: arrival.at_s)


def _of(callers: Callers, duration_s: float, seed: int) -> Iterator[Arrival]:
    times, sizes, texts = Random(f"times {seed}"), Random(f"sizes {seed}"), Texts(seed)
    for at_s in _moments(callers.rates, duration_s, times):
        # Gamma with a coefficient of variation of one half, as the simulator draws them.
        size = sizes.gammavariate(4.0, callers.reply_tokens / 4.0)
        tokens = max(1, round(size)) if callers.lane is Lane.CHAT else 0
        yield Arrival(at_s, callers.lane, callers.deadline_s, texts.one(callers.characters), tokens)


def _moments(
    rates: tuple[tuple[float, float], ...], duration_s: float, rng: Random
) -> Iterator[float]:
    for (begin_s, rate), (end_s, _) in pairwise((*rates, (inf, 0.0))):
        now = begin_s
        while rate and (now := now + rng.expovariate(rate)) < min(end_s, duration_s):
            yield now

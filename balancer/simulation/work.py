"""How long the engine takes: a time model with few numbers, fitted to the real one.

A call alone takes `start_s + prompt tokens · prompt_token_s`, and a chat `reply_token_s` more for each token
of its reply. Calls that run together share the steps of one engine, so that each further one
makes all of them slower by its crowding. Knows nothing about slots or events.
"""

from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field

from tidegate.balancer.core.call import Lane
from tidegate.balancer.simulation.table import Table

Seconds = Annotated[float, Field(ge=0, le=3600)]
Crowding = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Work:
    """What one call needs of an engine that runs nothing else, in seconds."""

    prompt_s: float
    reply_s: float

    @property
    def total_s(self) -> float:
        """Until the answer is complete."""
        return self.prompt_s + self.reply_s


class Engine(Table):
    """The time model of one instance.

    The defaults are of a 0.5B model in FP32 on two cores: 13 tokens a second for one chat and 85
    for eight at once, and 0.15 s for a label with 30 tokens that no cache holds.
    """

    start_s: Seconds = 0.03
    prompt_token_s: Seconds = 0.004
    reply_token_s: Seconds = 0.077
    chat_crowding: Crowding = 0.03
    sentiment_crowding: Crowding = 0.25
    start_up_s: Annotated[float, Field(ge=0, le=3600)] = 12.0
    """From the start of a process until it is hot."""

    def work(self, lane: Lane, prompt_tokens: float, reply_tokens: float) -> Work:
        """What a call of that size needs."""
        reply_s = reply_tokens * self.reply_token_s if lane is Lane.CHAT else 0.0
        return Work(self.start_s + prompt_tokens * self.prompt_token_s, reply_s)

    def slowdown(self, sentiments: int, chats: int) -> float:
        """How many times longer a step is than alone, with so many calls in it."""
        if sentiments + chats <= 1:
            return 1.0
        if not chats:
            return 1.0 + self.sentiment_crowding * (sentiments - 1)
        return 1.0 + self.chat_crowding * (chats - 1) + self.sentiment_crowding * sentiments


def tokens(mean: float, rng: Random) -> float:
    """A size around `mean`: gamma with a coefficient of variation of one half, as texts are."""
    return rng.gammavariate(4.0, mean / 4.0) if mean else 0.0

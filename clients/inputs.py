"""What a caller hands in besides plain text: turns, sampling options, items of a bulk.

Knows nothing about the wire; what is accepted is decided by the server, which names the field
that it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Speaker(str, Enum):
    """Who said a turn. The values are the words of the contract."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; the last one of a call is the user's."""

    speaker: Speaker
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the words of a reply are chosen; None takes the profile's value.

    temperature: 0 to 2; 0 always takes the likeliest token.
    top_p: above 0, at most 1.
    repetition_penalty: 1 to 2.
    max_tokens: 1 up to the profile's limit.
    stop: up to 8 texts of 1 to 64 characters; the reply ends before the first that occurs.
    seed: same seed, same prompt, same model, same reply.
    """

    temperature: float | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One text of many.

    item_id comes back with the answer, whatever it is; empty means the item's position, from 0.
    profile and system_prompt override, for this item, those of them all.
    """

    text: str
    item_id: str = ""
    profile: str | None = None
    system_prompt: str | None = None

"""What comes back from a call, as frozen values.

Knows nothing about the wire, nor about how an answer was obtained.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from tidegate.clients.errors import TidegateError


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call cost, in tokens of the model that answered it.

    cached_tokens of the prompt_tokens were not computed again.
    """

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and its probability among the profile's labels, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The label that a text deserves.

    confidence is how far the best score stands above chance: 0 is a coin's toss, 1 is certain.
    scores holds every label, best first. profile_version changes when the profile does.
    truncated: the input was cut before it was judged.
    """

    label: str
    confidence: float
    scores: tuple[LabelScore, ...]
    profile: str
    profile_version: str
    model: str
    truncated: bool
    degraded: bool
    usage: Usage


@dataclass(frozen=True, slots=True)
class ClassifiedItem:
    """How one text of many ended: with a label, or with an error of its own.

    is_repeated: it was not asked for itself, the answer is that of an equal text before it.
    """

    item_id: str
    text: str
    outcome: Classification | TidegateError
    is_repeated: bool = False


class FinishReason(str, Enum):
    """Why a reply ended; UNSPECIFIED is what a degraded reply and a newer server may say."""

    UNSPECIFIED = "unspecified"
    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. A degraded one is a DegradedReply; sentiment is set in that one only."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    profile: str
    profile_version: str
    model: str
    degraded: bool
    truncated: bool
    sentiment: Classification | None


@dataclass(frozen=True, slots=True)
class DegradedReply(Reply):
    """What is given under load in place of a full reply: text is one sentence of the input, and
    sentiment is what it sounds like.
    """

    degraded: Literal[True]
    sentiment: Classification


@dataclass(frozen=True, slots=True)
class Warming:
    """No instance is hot, and the call waits for the first, likely for so long; told before all else.

    Only those hear it who ask with progress=True.
    """

    expected_s: float


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a streamed reply, whole characters only."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """How a streamed reply ended; always its last event. The fields are those of Reply.

    A degraded one ends with a DegradedEnd.
    """

    finish_reason: FinishReason
    usage: Usage
    profile: str
    profile_version: str
    model: str
    degraded: bool
    truncated: bool
    sentiment: Classification | None


@dataclass(frozen=True, slots=True)
class DegradedEnd(End):
    """How a degraded reply ended; the one delta before it was one sentence of the input."""

    degraded: Literal[True]
    sentiment: Classification

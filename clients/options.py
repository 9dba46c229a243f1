"""Says once what a call of either client may be given besides its text.

The typed dictionaries are what a type checker and an editor see, the records what the client works
with. Knows nothing about the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from typing_extensions import TypedDict

from tidegate.clients.inputs import Sampling

_Options = TypeVar("_Options")


class ClassifyOptions(TypedDict, total=False):
    """What a classification may be given, by keyword.

    profile names one of kind "classify"; system_prompt replaces the profile's own for this call
    only; timeout_s is the time that the call may take in all, in place of the client's.
    """

    profile: str | None
    system_prompt: str | None
    timeout_s: float | None


class ChatOptions(TypedDict, total=False):
    """What a chat may be given, by keyword.

    profile names one of kind "chat"; system_prompt replaces the profile's own for this call only.
    sampling says how the words are chosen.
    conversation_id lets the balancer prefer the instance that remembers the conversation.
    accept_degraded False: under load rather be shed than get a degraded reply.
    timeout_s is the time that the call may take in all, in place of the client's.
    """

    profile: str | None
    system_prompt: str | None
    sampling: Sampling | None
    conversation_id: str | None
    accept_degraded: bool
    timeout_s: float | None


class StreamOptions(ChatOptions, total=False):
    """What a chat may be given, and progress: while nothing is hot, the first event is a Warming.

    A call that was told so and is refused after all is not tried again.
    """

    progress: bool


class JudgeOptions(StreamOptions, total=False):
    """What a streamed chat may be given, and sentiment_profile: the profile that judges."""

    sentiment_profile: str | None


@dataclass(frozen=True, slots=True)
class Classifying:
    """The options of a classification, each with its value."""

    profile: str | None = None
    system_prompt: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Chatting:
    """The options of a chat, each with its value."""

    profile: str | None = None
    system_prompt: str | None = None
    sampling: Sampling | None = None
    conversation_id: str | None = None
    accept_degraded: bool = True
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Streaming(Chatting):
    """The options of a streamed chat, each with its value."""

    progress: bool = False


@dataclass(frozen=True, slots=True)
class Judging(Streaming):
    """The options of judging and replying, each with its value."""

    sentiment_profile: str | None = None


def chosen(kind: type[_Options], method: str, options: Mapping[str, Any]) -> _Options:
    """The record of what was given; raises TypeError for what `method` doesn't take, as a call does."""
    known = getattr(kind, "__dataclass_fields__", {})
    for name in options:
        if name not in known:
            raise TypeError(
                f"{method}() got an unexpected keyword argument {name!r}; it takes {', '.join(known)}"
            )
    return kind(**options)

"""Decides whether a profile keeps the three prompt rules.

Pure, and apart from the profile's own shape: a profile may be well-formed and still break a
rule. System prompts that come with a call are the caller's and are not linted.
"""

from dataclasses import dataclass
from enum import Enum

from tidegate.server.profile import Profile

# A reply cut below this is an answer that stops in mid-sentence.
LEAST_CHAT_TOKENS = 64


class Rule(Enum):
    """The rules, by the names that messages use."""

    NO_PLEASE = "no-please"
    NO_ZERO_TEMPERATURE = "no-zero-temperature"
    ROOM_TO_ANSWER = "room-to-answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: which, by which key and value, and what is accepted."""

    rule: Rule
    key: str
    value: str
    accepted: str

    def __str__(self) -> str:
        return f"rule {self.rule.value}: {self.value}: {self.accepted}"


def lint(profile: Profile) -> list[Finding]:
    """Return every rule that `profile` breaks, in the order of Rule; empty when it is clean."""
    return [*_politeness(profile), *_temperature(profile), *_room(profile)]


def _politeness(profile: Profile) -> list[Finding]:
    if "请" not in profile.system_prompt:
        return []
    at = profile.system_prompt.index("请")
    excerpt = profile.system_prompt[max(0, at - 5) : at + 6]
    return [
        Finding(
            Rule.NO_PLEASE,
            "system_prompt",
            repr(excerpt),
            "a system prompt states what is done, without 请",
        )
    ]


def _temperature(profile: Profile) -> list[Finding]:
    if profile.kind != "classify" or profile.temperature > 0:
        return []
    return [
        Finding(
            Rule.NO_ZERO_TEMPERATURE,
            "temperature",
            str(profile.temperature),
            "a classify profile needs a temperature above 0, at most 2",
        )
    ]


def _room(profile: Profile) -> list[Finding]:
    if profile.kind != "chat":
        return []
    told = {"max_tokens": profile.max_tokens, "limits.max_tokens": profile.limits.max_tokens}
    return [
        Finding(
            Rule.ROOM_TO_ANSWER,
            key,
            str(value),
            f"a chat profile allows at least {LEAST_CHAT_TOKENS} tokens",
        )
        for key, value in told.items()
        if value < LEAST_CHAT_TOKENS
    ]

"""Decides whether a message is a call that can be answered, before anything is queued.

Every wrong field is told at once, with its value and what is accepted. Knows nothing of
tokens, slots or the engine's state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tidegate.server.call_metadata import PROFILE_KEY, SYSTEM_PROMPT_KEY, CallMetadata
from tidegate.server.engine.sequence import Sampling
from tidegate.server.profile import Kind, Profile
from tidegate.server.profiles import ProfileStore
from tidegate.server.prompts import Speaker, Turn
from tidegate.server.refusal import (
    RefusedError,
    Violation,
    refuse_fields,
    refuse_system_prompt,
)
from tidegate.v1 import chat_pb2, sentiment_pb2

ChatRequest: TypeAlias = (
    chat_pb2.ReplyRequest | chat_pb2.StreamReplyRequest | chat_pb2.JudgeAndReplyRequest
)

LONGEST_ID_BYTES = 256
_MOST_STOPS = 8
_LONGEST_STOP = 64
_EXCERPT = 32


@dataclass(frozen=True, slots=True)
class ClassifyCall:
    """A valid classification: what to judge, by which profile."""

    text: str
    profile: Profile
    # Replaces the profile's for this call only.
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A valid chat: the conversation, the profile that answers, and how."""

    turns: tuple[Turn, ...]
    profile: Profile
    sampling: Sampling
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """The profiles of calls that name none: to classify, to chat, to reply after judging."""

    sentiment: str
    chat: str
    review: str


class Validation:
    """The checks of one server: its profiles, its defaults by kind, its limit on text."""

    def __init__(
        self,
        profiles: ProfileStore,
        defaults: Defaults,
        max_text_characters: int,
    ) -> None:
        self._profiles = profiles
        self._defaults = defaults
        self._max_text_characters = max_text_characters

    def adopt(self, defaults: Defaults, max_text_characters: int) -> None:
        """Check the next calls by these."""
        self._defaults = defaults
        self._max_text_characters = max_text_characters

    def classify(
        self, request: sentiment_pb2.ClassifyRequest, metadata: CallMetadata
    ) -> ClassifyCall:
        """Return the valid call, or raise RefusedError naming every wrong field."""
        wrong: list[Violation] = []
        self._check_text("text", request.text, wrong.append)
        profile = self._profile("classify", "profile", request.profile, metadata.profile, wrong)
        body = request.system_prompt if request.HasField("system_prompt") else None
        system_prompt = self._system_prompt(profile, body, metadata, wrong)
        if wrong or profile is None:
            raise RefusedError(refuse_fields(wrong))
        return ClassifyCall(request.text, profile, system_prompt)

    def chat(self, request: ChatRequest, metadata: CallMetadata) -> ChatCall:
        """Return the valid call, or raise RefusedError naming every wrong field."""
        wrong: list[Violation] = []
        turns = self._turns(request, wrong)
        check_id("conversation_id", request.conversation_id, wrong)
        named = request.profile
        if not (named or metadata.profile) and isinstance(request, chat_pb2.JudgeAndReplyRequest):
            named = self._defaults.review
        profile = self._profile("chat", "profile", named, metadata.profile, wrong)
        body = request.system_prompt if request.HasField("system_prompt") else None
        system_prompt = self._system_prompt(profile, body, metadata, wrong)
        if profile is None:
            raise RefusedError(refuse_fields(wrong))
        sampling = _sampling(request.sampling, profile, wrong)
        if wrong:
            raise RefusedError(refuse_fields(wrong))
        return ChatCall(turns, profile, sampling, system_prompt)

    def judgement(self, request: ChatRequest, turns: Sequence[Turn]) -> ClassifyCall:
        """Return the classification of the last of `turns`, or raise RefusedError.

        By the profile that the request names, where its message has a field for one.
        """
        wrong: list[Violation] = []
        field = "sentiment_profile"
        name = ""
        if isinstance(request, chat_pb2.JudgeAndReplyRequest):
            name = request.sentiment_profile
        profile = self._profile("classify", field, name, None, wrong)
        if profile is None:
            raise RefusedError(refuse_fields(wrong))
        return ClassifyCall(turns[-1].content, profile)

    def _turns(self, request: ChatRequest, wrong: list[Violation]) -> tuple[Turn, ...]:
        if not request.turns:
            problem = "empty, and no turns; one of text and turns must be given"
            if not request.text:
                wrong.append(Violation("text", problem))
            else:
                self._check_text("text", request.text, wrong.append)
            return (Turn(Speaker.USER, request.text),)
        if request.text:
            wrong.append(
                Violation(
                    "turns", f"{len(request.turns)} beside text; only one of both is accepted"
                )
            )
        turns = []
        total = 0
        roles = {speaker.value: speaker for speaker in Speaker}
        for index, turn in enumerate(request.turns):
            speaker = roles.get(turn.role)
            if speaker is None:
                accepted = " and ".join(f'"{role}"' for role in roles)
                problem = f"{_excerpt(turn.role)}; {accepted} are accepted"
                wrong.append(Violation(f"turns[{index}].role", problem))
            if not turn.content.strip():
                problem = f"{_excerpt(turn.content)} is blank; a turn must say something"
                wrong.append(Violation(f"turns[{index}].content", problem))
            total += len(turn.content)
            turns.append(Turn(speaker or Speaker.USER, turn.content))
        if total > self._max_text_characters:
            wrong.append(Violation("turns", self._too_long(total, "together")))
        if turns[-1].speaker is not Speaker.USER:
            problem = '"assistant"; the last turn must be the user\'s'
            wrong.append(Violation(f"turns[{len(turns) - 1}].role", problem))
        return tuple(turns)

    def _check_text(self, field: str, text: str, report: Callable[[Violation], None]) -> None:
        if not text.strip():
            state = "is blank" if text else "is empty"
            report(
                Violation(
                    field,
                    f"{_excerpt(text)} {state}; 1 to {self._max_text_characters} characters are accepted",
                )
            )
        elif len(text) > self._max_text_characters:
            report(Violation(field, self._too_long(len(text), "")))

    def _too_long(self, count: int, how: str) -> str:
        counted = f"{count} characters {how}".rstrip()
        return f"{counted}; at most {self._max_text_characters} are accepted"

    def _profile(
        self, kind: Kind, field: str, body: str, metadata: str | None, wrong: list[Violation]
    ) -> Profile | None:
        where = field if body or metadata is None else PROFILE_KEY
        default = self._defaults.sentiment if kind == "classify" else self._defaults.chat
        name = body or metadata or default
        profile = self._profiles.find(name)
        if profile is not None and profile.kind == kind:
            return profile
        accepted = f"of kind '{kind}' there are: {', '.join(self._profiles.names(kind)) or 'none'}"
        problem = "is unknown" if profile is None else f"is of kind '{profile.kind}'"
        wrong.append(Violation(where, f"{_excerpt(name)} {problem}; {accepted}"))
        return None

    def _system_prompt(
        self,
        profile: Profile | None,
        body: str | None,
        metadata: CallMetadata,
        wrong: list[Violation],
    ) -> str | None:
        where = "system_prompt" if body is not None else SYSTEM_PROMPT_KEY
        prompt = body if body is not None else metadata.system_prompt
        if prompt is not None and metadata.forbids_system_prompt:
            raise RefusedError(refuse_system_prompt(where))
        if prompt is None or profile is None:
            return prompt
        most = profile.limits.system_prompt_characters
        if len(prompt) > most:
            problem = f"{len(prompt)} characters; profile {profile.name!r} accepts at most {most}"
            wrong.append(Violation(where, problem))
        return prompt


def check_id(field: str, value: str, wrong: list[Violation]) -> None:
    """Report an id of the caller's that is longer than LONGEST_ID_BYTES."""
    size = len(value.encode())
    if size > LONGEST_ID_BYTES:
        wrong.append(Violation(field, f"{size} bytes; at most {LONGEST_ID_BYTES} are accepted"))


def _sampling(asked: chat_pb2.Sampling, profile: Profile, wrong: list[Violation]) -> Sampling:
    def pick(
        name: str, default: float, is_accepted: Callable[[float], bool], accepted: str
    ) -> float:
        if not asked.HasField(name):  # type: ignore[arg-type]
            return default
        value: float = getattr(asked, name)
        if not is_accepted(value):
            wrong.append(Violation(f"sampling.{name}", f"{value:g}; {accepted}"))
        return value

    most = profile.limits.max_tokens
    for index, stop in enumerate(asked.stop):
        if not 1 <= len(stop) <= _LONGEST_STOP:
            problem = f"{len(stop)} characters; 1 to {_LONGEST_STOP} are accepted"
            wrong.append(Violation(f"sampling.stop[{index}]", problem))
    if len(asked.stop) > _MOST_STOPS:
        problem = f"{len(asked.stop)} texts; at most {_MOST_STOPS} are accepted"
        wrong.append(Violation("sampling.stop", problem))
    return Sampling(
        temperature=pick(
            "temperature", profile.temperature, lambda it: 0 <= it <= 2, "0 to 2 is accepted"
        ),
        top_p=pick(
            "top_p", profile.top_p, lambda it: 0 < it <= 1, "above 0, at most 1 is accepted"
        ),
        repetition_penalty=pick(
            "repetition_penalty",
            profile.repetition_penalty,
            lambda it: 1 <= it <= 2,
            "1 to 2 is accepted",
        ),
        max_tokens=int(
            pick(
                "max_tokens",
                profile.max_tokens,
                lambda it: 1 <= it <= most,
                f"profile {profile.name!r} accepts 1 to {most}",
            )
        ),
        # The profile's stops are its format's borders, so the caller's come on top.
        stop=(*profile.stop, *asked.stop),
        seed=asked.seed if asked.HasField("seed") else None,
    )


def _excerpt(value: str) -> str:
    return repr(value if len(value) <= _EXCERPT else value[: _EXCERPT - 1] + "…")

"""Turns a profile and a caller's words into token ids, fixed part first.

Pure, given a tokenizer. The fixed part and the caller's part are encoded apart, so that the
fixed ids are the same for every call. A caller's text is always encoded as plain text and
can't become a border of the prompt. Knows nothing of truncation or of the context's size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from typing_extensions import assert_never

from tidegate.server.engine.label_tree import AmbiguousLabelsError, LabelTree
from tidegate.server.engine.sequence import Prompt, Tokenizer
from tidegate.server.profile import (
    Example,
    Format,
    Profile,
    ProfileError,
    Template,
    frame,
)

# Plain lines, for a profile of a base model that has no template of its own.
_PLAIN = Template(user="用户：{text}\n", label="标签：{text}\n", assistant="助手：{text}\n\n")
_BARE = Template(system="{text}", user="{text}", label="{text}", assistant="{text}")


class Speaker(Enum):
    """Who says a turn, as it is named on the wire and in ChatML."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    speaker: Speaker
    content: str
    # The label that a user's turn was given; written where the profile's examples show it.
    label: str | None = None


class PromptWriter:
    """Writes the prompts of one model, whose own format is `form`."""

    def __init__(self, tokenizer: Tokenizer, form: Format) -> None:
        self._tokenizer = tokenizer
        self._form = form

    def write(
        self, profile: Profile, turns: Sequence[Turn], system_prompt: str | None = None
    ) -> Prompt:
        """Return the prompt after which the model writes its answer to the last of `turns`.

        A `system_prompt` replaces the profile's; such a prompt has no fixed part.
        """
        fixed = self.fixed(profile, system_prompt)
        tokens = (*fixed, *self._turns(profile, turns))
        return Prompt(tokens, fixed=len(fixed) if system_prompt is None else 0)

    def fixed(self, profile: Profile, system_prompt: str | None = None) -> tuple[int, ...]:
        """Return the ids that every prompt of `profile` begins with."""
        system = profile.system_prompt if system_prompt is None else system_prompt
        match profile.format or self._form:
            case "chatml":
                tokens = self._block("system", system) if system else []
                for example in profile.examples:
                    tokens += self._chatml_example(profile, example)
            case "base":
                template = profile.template or _PLAIN
                text = template.system.replace("{text}", system) if system else ""
                text += "".join(_lines(template, profile, one) for one in profile.examples)
                tokens = [*self._beginning(), *self._tokenizer.encode(text)]
            case other:
                assert_never(other)
        return tuple(tokens)

    def labels(self, profile: Profile, file: str) -> LabelTree | None:
        """Return the labels' words as the model writes them; None for a chat.

        Raises ProfileError when one word is how another one begins.
        """
        words = [label.word for label in profile.labels]
        if not words:
            return None
        try:
            return LabelTree([self._tokenizer.encode(word) for word in words])
        except AmbiguousLabelsError as error:
            problem = (
                f"{words[error.shorter]!r} is how {words[error.longer]!r} begins, in the tokens of "
                "this model; words of which none is the beginning of another are accepted"
            )
            raise ProfileError(file, profile.name, "labels", problem) from None

    def check(self, file: str, profile: Profile) -> None:
        """Raise ProfileError when this model can't use `profile`."""
        if profile.format == "chatml" and self._form != "chatml":
            problem = "'chatml': this model has no ChatML tokens; 'base' is accepted"
            raise ProfileError(file, profile.name, "format", problem)
        self.labels(profile, file)

    def _turns(self, profile: Profile, turns: Sequence[Turn]) -> list[int]:
        match profile.format or self._form:
            case "chatml":
                tokens: list[int] = []
                for turn in turns:
                    tokens += self._chatml_turn(profile, turn)
                    tokens += self._chatml_label(profile, turn.label)
                if profile.question:
                    tokens += self._block("user", profile.question)
                opening = frame(_answer_line(profile.template or _BARE, profile)).before
                return [
                    *tokens,
                    *self._border("<|im_start|>"),
                    *self._encode(f"assistant\n{opening}"),
                ]
            case "base":
                template = profile.template or _PLAIN
                lines = "".join(
                    _line(template, turn) + _label_line(template, profile, turn.label)
                    for turn in turns
                )
                return self._encode(lines + frame(_answer_line(template, profile)).before)
            case other:
                assert_never(other)

    def _chatml_turn(self, profile: Profile, turn: Turn) -> list[int]:
        template = profile.template or _BARE
        line = template.user if turn.speaker is Speaker.USER else template.assistant
        return self._block(turn.speaker.value, line.replace("{text}", turn.content))

    def _chatml_example(self, profile: Profile, example: Example) -> list[int]:
        tokens = self._chatml_turn(profile, Turn(Speaker.USER, example.text))
        tokens += self._chatml_label(profile, example.label)
        if example.reply is not None:
            tokens += self._chatml_turn(profile, Turn(Speaker.ASSISTANT, example.reply))
        return tokens

    def _chatml_label(self, profile: Profile, label: str | None) -> list[int]:
        if label is None or not profile.shows(label):
            return []
        line = (profile.template or _BARE).label.replace("{text}", profile.word(label))
        question = self._block("user", profile.question) if profile.question else []
        return [*question, *self._block("assistant", line)]

    def _block(self, speaker: str, content: str) -> list[int]:
        return [
            *self._border("<|im_start|>"),
            *self._encode(f"{speaker}\n{content}"),
            *self._border("<|im_end|>"),
            *self._encode("\n"),
        ]

    def _border(self, token: str) -> list[int]:
        special = self._tokenizer.special(token)
        return [] if special is None else [special]

    def _beginning(self) -> list[int]:
        for token in ("<bos>", "<|begin_of_text|>", "<s>"):
            special = self._tokenizer.special(token)
            if special is not None:
                return [special]
        return []

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)


def _answer_line(template: Template, profile: Profile) -> str:
    """Return the line in which the model is to answer."""
    match profile.kind:
        case "classify":
            return template.label
        case "chat":
            return template.assistant
        case other:
            assert_never(other)


def _lines(template: Template, profile: Profile, example: Example) -> str:
    """Write one example."""
    text = _line(template, Turn(Speaker.USER, example.text))
    text += _label_line(template, profile, example.label)
    if example.reply is not None:
        text += _line(template, Turn(Speaker.ASSISTANT, example.reply))
    return text


def _label_line(template: Template, profile: Profile, label: str | None) -> str:
    if label is None or not profile.shows(label):
        return ""
    return template.label.replace("{text}", profile.word(label))


def _line(template: Template, turn: Turn) -> str:
    """Write one turn; a base model's only border is the line, so the content is kept on one."""
    content = " ".join(part for part in turn.content.splitlines() if part.strip())
    line = template.user if turn.speaker is Speaker.USER else template.assistant
    return line.replace("{text}", content)

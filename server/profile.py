"""What a profile says: a named prompt with its labels, its sampling and its limits.

A profile is a value made from one TOML file. Knows nothing of files, folders or tokens.
"""

import hashlib
import json
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import assert_never

Kind = Literal["classify", "chat"]
Format = Literal["chatml", "base"]

_SLOT = "{text}"


class ProfileError(Exception):
    """A profile can't be used. The message is one line: file, profile, key, value, what is accepted."""

    def __init__(self, file: str, profile: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: profile {profile!r}: {key}: {problem}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Example(_Part):
    """One worked answer that is shown to the model before the caller's text.

    It may have a label, a reply or both: a classify and a chat profile with the same examples
    have the same beginning, and judging then replying reads the caller's text once.
    """

    text: str = Field(min_length=1)
    label: str | None = Field(None, min_length=1)
    reply: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _shows_something(self) -> "Example":
        if self.label is None and self.reply is None:
            raise ValueError("an example needs a label, a reply or both")
        return self


class Label(_Part):
    """One answer of a classify profile: the name callers see, and the word the model writes."""

    name: str = Field(min_length=1, max_length=64)
    word: str = Field(min_length=1, max_length=64)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Take `"正面"` for `{name = "正面", word = "正面"}`."""
        if isinstance(value, str):
            return {"name": value, "word": value}
        if isinstance(value, dict) and "name" in value:
            return {"word": value["name"], **value}
        return value


class Template(_Part):
    """How the lines of a base model's prompt look, line ends included; `{text}` is the content."""

    system: str = "{text}\n\n"
    user: str
    label: str = "{text}\n"
    assistant: str = "{text}\n\n"

    @field_validator("system", "user", "label", "assistant")
    @classmethod
    def _has_one_slot(cls, value: str) -> str:
        if value.count(_SLOT) != 1:
            raise ValueError("must contain {text} exactly once")
        return value


class Limits(_Part):
    """How much of the caller's text is read, and how far a call may go. Counted in characters."""

    cut_above_characters: int = Field(512, ge=16, le=1_000_000)
    keep_head: int = Field(128, ge=1)
    keep_tail: int = Field(128, ge=1)
    keywords: int = Field(16, ge=0, le=256)
    system_prompt_characters: int = Field(2000, ge=0, le=100_000)
    # The most tokens that a call may ask for.
    max_tokens: int = Field(1024, ge=1, le=32_768)

    @model_validator(mode="after")
    def _keeps_less_than_it_cuts(self) -> "Limits":
        if self.keep_head + self.keep_tail > self.cut_above_characters:
            raise ValueError("keep_head + keep_tail must not be above cut_above_characters")
        return self


class Profile(_Part):
    """One profile. Frozen: a changed file makes a new one, with another `version`.

    `temperature` divides the label scores of a classify profile before they become
    probabilities (the label never depends on it), and is the sampling temperature of a chat.
    """

    name: str
    kind: Kind
    # None: that of the model.
    format: Format | None = None
    description: str = ""
    system_prompt: str = ""
    examples: tuple[Example, ...] = ()
    # A user turn of ChatML between a text and its label.
    question: str = ""
    labels: tuple[Label, ...] = ()
    # Texts that deserve no label; what the model says of them is its prior.
    calibration: tuple[str, ...] = ()
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(0.9, gt=0, le=1)
    repetition_penalty: float = Field(1.1, ge=1, le=2)
    max_tokens: int = Field(256, ge=1)
    stop: tuple[str, ...] = Field((), max_length=8)
    template: Template | None = None
    limits: Limits = Limits()

    @field_validator("stop")
    @classmethod
    def _stops_are_short(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 1 <= len(stop) <= 64 for stop in value):
            raise ValueError("each must have 1 to 64 characters")
        return value

    @field_validator("calibration")
    @classmethod
    def _texts_are_not_blank(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not text.strip() for text in value):
            raise ValueError("no text may be blank")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> "Profile":
        match self.kind:
            case "classify":
                self._check_labels()
            case "chat":
                if self.labels or self.calibration:
                    raise ValueError(
                        "labels and calibration belong to a profile of kind 'classify'"
                    )
            case _:
                assert_never(self.kind)
        if self.max_tokens > self.limits.max_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} is above limits.max_tokens {self.limits.max_tokens}"
            )
        if len(self.system_prompt) > self.limits.system_prompt_characters:
            raise ValueError(
                f"system_prompt has {len(self.system_prompt)} characters, "
                f"limits.system_prompt_characters is {self.limits.system_prompt_characters}"
            )
        if self.format == "base" and self.template is None:
            raise ValueError(
                "a profile of format 'base' needs a [template] with user, and label or assistant"
            )
        return self

    def _check_labels(self) -> None:
        names = [label.name for label in self.labels]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"labels {names} must be two or more different names")
        for example in self.examples:
            if example.label is not None and example.label not in names:
                raise ValueError(
                    f"examples: label {example.label!r} is none of the labels {', '.join(names)}"
                )

    @property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of all that the profile says, its name left out."""
        said = self.model_dump(mode="json", exclude={"name"})
        text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def shows(self, label: str | None) -> bool:
        """Return whether an example is labelled so: then the model knows what to make of it."""
        return label is not None and any(one.label == label for one in self.examples)

    def word(self, label: str) -> str:
        """Return the word that the model writes for the label named `label`."""
        return next((one.word for one in self.labels if one.name == label), label)


class Frame(NamedTuple):
    """What stands before and after the content of one line of a template."""

    before: str
    after: str


def frame(line: str) -> Frame:
    """Split a template line at its `{text}`."""
    before, after = line.split(_SLOT)
    return Frame(before, after)


def make_profile(file: str, name: str, said: dict[str, Any]) -> Profile:
    """Return the profile that the parsed TOML document `said` describes.

    Raises ProfileError with one line that names file, profile, key, value and what is accepted.
    """
    if "name" in said:
        raise ProfileError(file, name, "name", "is the file's name and can't be set")
    try:
        return Profile(name=name, **said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "profile"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            accepted = ", ".join(field for field in Profile.model_fields if field != "name")
            message = (
                f"unknown key; known are {accepted}" if len(first["loc"]) == 1 else "unknown key"
            )
        elif not isinstance(first["input"], dict):
            message = f"{first['input']!r}: {message}"
        raise ProfileError(file, name, key, message) from None

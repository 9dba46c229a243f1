"""Reads what a caller says beside the message: profile, system prompt, mode.

The one place where the incoming metadata keys are named. Knows nothing of the messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.server.lane import Lane
from tidegate.server.refusal import RefusedError, Violation, refuse_fields

PROFILE_KEY = "tidegate-profile"
SYSTEM_PROMPT_KEY = "tidegate-system-prompt-bin"
MODE_KEY = "tidegate-mode"
FORBIDS_KEY = "tidegate-forbids"


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """What the metadata asks for; None where it says nothing. The message wins over it."""

    profile: str | None = None
    system_prompt: str | None = None
    forbids_system_prompt: bool = False
    """Said by a balancer of a caller who may bring none, in the message either."""


def read_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> CallMetadata:
    """Return what `pairs` ask for; where a key comes twice, the last one counts.

    Raises RefusedError (INVALID_ARGUMENT) for a system prompt that is not UTF-8.
    """
    said = dict(pairs)
    profile = said.get(PROFILE_KEY)
    system_prompt = said.get(SYSTEM_PROMPT_KEY)
    return CallMetadata(
        profile=None if profile is None else _text(PROFILE_KEY, profile),
        system_prompt=None if system_prompt is None else _text(SYSTEM_PROMPT_KEY, system_prompt),
        forbids_system_prompt=said.get(FORBIDS_KEY) == "system-prompt",
    )


def chat_lane(pairs: Iterable[tuple[str, str | bytes]]) -> Lane:
    """Return the lane of a chat: degraded where the balancer asks for a short answer.

    A mode that isn't known is none: a balancer that is newer than this server gets a full answer.
    """
    return Lane.DEGRADED if dict(pairs).get(MODE_KEY) == "degraded" else Lane.CHAT


def _text(key: str, value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} (0x{value[error.start]:02x}) is not UTF-8; UTF-8 is accepted"
        raise RefusedError(refuse_fields([Violation(key, problem)])) from None

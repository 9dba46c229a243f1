"""Reads what a browser asks for out of a JSON body, and refuses what is out of bounds.

Knows nothing about HTTP, gRPC or what the answer will be.
"""

from __future__ import annotations

from typing import Annotated, Literal

import grpc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegate.clients.errors import FieldViolation, InvalidInput
from tidegate.clients.inputs import Speaker, Turn
from tidegate.clients.web.limits import Limits


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


class Asking(BaseModel):
    """One call of the page: the conversation so far, and how it is to be answered.

    attempt counts the tries of this call before it: a caller who comes back as told is expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    turns: Annotated[tuple[_Said, ...], Field(min_length=1, strict=False)]
    conversation: Annotated[str, Field(max_length=64)] = ""
    deadline_s: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    accept_degraded: bool = True
    attempt: Annotated[int, Field(ge=0, le=100)] = 0

    def as_turns(self) -> tuple[Turn, ...]:
        """The conversation as the client library has it."""
        return tuple(Turn(Speaker(said.role), said.content) for said in self.turns)

    def time_s(self, limits: Limits) -> float:
        """How long the call may take."""
        return min(self.deadline_s or limits.deadline_s, limits.longest_deadline_s)


def asking_of(body: bytes, limits: Limits) -> Asking:
    """The call in a body; raises InvalidInput that names the field, and never quotes the text."""
    try:
        asking = Asking.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(
            *(
                FieldViolation(".".join(str(part) for part in each["loc"]) or "body", each["msg"])
                for each in error.errors(include_url=False, include_input=False)
            )
        ) from None
    if len(asking.turns) > limits.turns:
        raise _invalid(FieldViolation("turns", f"{len(asking.turns)} are more than {limits.turns}"))
    characters = sum(len(said.content) for said in asking.turns)
    if characters > limits.characters:
        raise _invalid(
            FieldViolation("turns", f"{characters} characters are more than {limits.characters}")
        )
    return asking


def _invalid(*violations: FieldViolation) -> InvalidInput:
    return InvalidInput(
        grpc.StatusCode.INVALID_ARGUMENT,
        "; ".join(f"{each.field}: {each.description}" for each in violations),
        reason="INVALID_FIELD",
        retry_forbidden=True,
        violations=violations,
    )

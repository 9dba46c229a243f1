"""Turns what went wrong into a gRPC status: code, message, details and hints.

The one table of reasons of the server. Knows nothing of how a call came to fail, and sends
nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from typing_extensions import assert_never

DOMAIN = "tidegate"

# No hint is longer: after half a minute the load is another one.
LONGEST_PUSHBACK_S = 30.0

# Callers accept 8 KB of trailers, and a Chinese character takes up to 9 bytes of
# `grpc-message` and 8 of the details. These keep the worst case below that.
_MOST_VIOLATIONS = 4
_LONGEST_PROBLEM = 150
_LONGEST_MESSAGE = 300


class Reason(Enum):
    """Why a call has no answer; the name is the `reason` of google.rpc.ErrorInfo."""

    SLOTS_TAKEN = "all slots of this lane are taken"
    WARMING = "the instance is not ready yet"
    DRAINING = "the instance is going away"
    INVALID_ARGUMENT = "a field is wrong"
    NOT_ALLOWED = "the caller may not do this, as its balancer says"
    DEADLINE_EXCEEDED = "the call's deadline has passed"
    INTERNAL = "the instance failed on this call"

    @property
    def code(self) -> grpc.StatusCode:
        """The status that a call refused for this reason ends with."""
        match self:
            case Reason.SLOTS_TAKEN:
                return grpc.StatusCode.RESOURCE_EXHAUSTED
            case Reason.WARMING | Reason.DRAINING:
                return grpc.StatusCode.UNAVAILABLE
            case Reason.INVALID_ARGUMENT:
                return grpc.StatusCode.INVALID_ARGUMENT
            case Reason.NOT_ALLOWED:
                return grpc.StatusCode.PERMISSION_DENIED
            case Reason.DEADLINE_EXCEEDED:
                return grpc.StatusCode.DEADLINE_EXCEEDED
            case Reason.INTERNAL:
                return grpc.StatusCode.INTERNAL
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field: its path in the message (or the metadata key), and what is accepted."""

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one call has no answer. `pushback_s` is None where no hint is due."""

    reason: Reason
    message: str
    pushback_s: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()

    @property
    def status(self) -> status_pb2.Status:
        """The google.rpc.Status, as `grpc-status-details-bin` carries it."""
        details: list[Message] = [
            error_details_pb2.ErrorInfo(
                reason=self.reason.name, domain=DOMAIN, metadata=dict(self.facts)
            )
        ]
        if self.pushback_s is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(self._pushback_ms)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        if self.violations:
            wrong = [
                error_details_pb2.BadRequest.FieldViolation(
                    field=one.field, description=one.problem
                )
                for one in self.violations
            ]
            details.append(error_details_pb2.BadRequest(field_violations=wrong))
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        code = code_pb2.Code.Value(self.reason.code.name)
        return status_pb2.Status(code=code, message=self.message, details=packed)

    @property
    def trailers(self) -> tuple[tuple[str, str | bytes], ...]:
        """The trailing metadata; a tuple, because gRPC turns anything else into UNKNOWN."""
        details = ("grpc-status-details-bin", self.status.SerializeToString())
        if self.pushback_s is None:
            return (details,)
        return (
            ("grpc-retry-pushback-ms", str(self._pushback_ms)),
            ("retry-after", str(math.ceil(self._pushback_ms / 1000))),
            details,
        )

    @property
    def _pushback_ms(self) -> int:
        return math.ceil(1000 * min(self.pushback_s or 0.0, LONGEST_PUSHBACK_S))


def refuse_fields(violations: Sequence[Violation]) -> Refusal:
    """Return the refusal of a call with wrong fields: the first of them, and how many more."""
    told = [
        Violation(_clip(one.field, _LONGEST_PROBLEM), _clip(one.problem, _LONGEST_PROBLEM))
        for one in violations[:_MOST_VIOLATIONS]
    ]
    message = _clip("; ".join(str(one) for one in told), _LONGEST_MESSAGE)
    if len(violations) > len(told):
        message += f"; and {len(violations) - len(told)} more"
    return Refusal(Reason.INVALID_ARGUMENT, message, violations=told)


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def refuse_broken(error_id: str) -> Refusal:
    """Return the refusal for a fault of ours, whose trace is in the log under `error_id`."""
    message = f"internal error {error_id}: the server's log has the trace under this id"
    return Refusal(Reason.INTERNAL, message, facts={"error_id": error_id})


def refuse_system_prompt(field: str) -> Refusal:
    """Return the refusal of a system prompt in `field` by a caller who may bring none."""
    message = f"{field}: this caller may bring no system prompt; leave it out"
    return Refusal(Reason.NOT_ALLOWED, message)


def refuse_late() -> Refusal:
    """Return the refusal of a call whose own deadline has passed."""
    return Refusal(Reason.DEADLINE_EXCEEDED, "the call's deadline has passed")


class RefusedError(Exception):
    """Carries a Refusal from where it is decided to the edge."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal

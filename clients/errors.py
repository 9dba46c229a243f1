"""Turns the status that ended a call into one typed error, in one place.

Knows nothing about retrying: an error says what the other side advised, not what will be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "tidegate"

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that was refused, and why."""

    field: str
    description: str


@dataclass(eq=False)
class TidegateError(Exception):
    """A call that ended without an answer.

    code: the gRPC status.
    reason: the other side's one word for it, for example QUEUE_FULL; empty when it gave none.
    retry_after_s: when to come back, in seconds; None when there was no hint.
    retry_forbidden: the other side asked not to be called again for this.
    violations: the fields that were refused, for InvalidInput.
    details: what the other side added to the reason: lane, est_wait_ms, queue_depth, instances.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    retry_after_s: float | None = None
    retry_forbidden: bool = False
    violations: tuple[FieldViolation, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Exception.__init__(self, self.code, self.message)

    def __str__(self) -> str:
        return self.message or self.code.name


class Overloaded(TidegateError):  # noqa: N818
    """Shed because of load."""


class Unavailable(TidegateError):  # noqa: N818
    """No instance is there, nobody answers at the address, or the connection broke."""


class InvalidInput(TidegateError):  # noqa: N818
    """A field is wrong; asking again with the same input can't help."""


class DeadlineExceeded(TidegateError):  # noqa: N818
    """The call's own time ran out, waiting included."""


class ServerFailure(TidegateError):  # noqa: N818
    """Everything else: a fault of the other side, or of what stands between."""


_KIND: Mapping[grpc.StatusCode, type[TidegateError]] = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}

# The words with which gRPC itself refuses a message above its size limit. It says
# RESOURCE_EXHAUSTED, but no amount of waiting makes the message smaller.
_TOO_LARGE = "message larger than max"


def error_of_call(code: grpc.StatusCode, message: str | None, trailers: Metadata) -> TidegateError:
    """The error for a call that ended with this status and these trailing metadata.

    grpc-retry-pushback-ms decides over RetryInfo; one that is not a number means "never", as in
    gRPC's retry design (A6). Details that can't be read are left out.
    """
    pushback_ms: str | None = None
    status = status_pb2.Status()
    for key, value in trailers:
        if key == "grpc-retry-pushback-ms":
            pushback_ms = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        elif key == "grpc-status-details-bin" and isinstance(value, bytes):
            status = _parsed(value)
    return _error(code, message or "", status, pushback_ms)


def error_of_text(name: str) -> InvalidInput:
    """The error for a text that can't be sent at all: it holds half of a surrogate pair.

    Python makes such text from bytes that are not UTF-8, for example in an argument.
    """
    wrong = "is not valid Unicode text (was it UTF-8?)"
    return InvalidInput(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{name} {wrong}",
        reason="INVALID_FIELD",
        violations=(FieldViolation(name, wrong),),
    )


def error_of_broken_stream() -> ServerFailure:
    """The error for a stream that ended well by its status, but before its last message."""
    return ServerFailure(
        grpc.StatusCode.UNKNOWN, "the stream ended before its last message", "BROKEN_STREAM"
    )


def error_of_unreadable_answer() -> ServerFailure:
    """The error for an answer that ended well by its status, and is not the message that it should be."""
    return ServerFailure(
        grpc.StatusCode.UNKNOWN,
        "the answer can't be read as what it should be; is that a Tidegate balancer?",
        "UNREADABLE_ANSWER",
    )


def _error(
    code: grpc.StatusCode, message: str, status: status_pb2.Status, pushback_ms: str | None
) -> TidegateError:
    reason = ""
    details: dict[str, str] = {}
    retry_after_s: float | None = None
    violations: list[FieldViolation] = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        request = error_details_pb2.BadRequest()
        try:
            if detail.Unpack(info) and info.domain == DOMAIN:
                reason, details = info.reason, dict(info.metadata)
            elif detail.Unpack(retry):
                retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
            elif detail.Unpack(request):
                violations.extend(
                    FieldViolation(each.field, each.description)
                    for each in request.field_violations
                )
        # A delay may be longer than any time that Python knows.
        except (DecodeError, ValueError, OverflowError):
            continue
    retry_forbidden = False
    if pushback_ms is not None:
        milliseconds = _milliseconds(pushback_ms)
        retry_forbidden = milliseconds is None
        retry_after_s = None if milliseconds is None else milliseconds / 1000
    kind = _KIND.get(code, ServerFailure)
    if kind is Overloaded and not reason and _TOO_LARGE in message:
        kind, retry_forbidden = InvalidInput, True
    return kind(code, message, reason, retry_after_s, retry_forbidden, tuple(violations), details)


def _parsed(raw: bytes) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(raw)
    except DecodeError:
        return status_pb2.Status()


def _milliseconds(pushback_ms: str) -> int | None:
    """The pushback as a number that is not negative; None when it says never."""
    return int(pushback_ms) if pushback_ms.isascii() and pushback_ms.isdigit() else None

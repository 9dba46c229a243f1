"""Reads an instance's final status into an outcome.

Knows nothing about the pool or the caller.
"""

from collections.abc import Iterable
from enum import Enum

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tidegate.balancer.core.call import Outcome
from tidegate.identity.why import Why

NO_WORK_DONE = frozenset({"SLOTS_TAKEN", "DRAINING"})
"""Reasons with which an instance says that it did nothing for the call."""
DISTRUST = frozenset(
    {Why.NO_CREDENTIALS, Why.TOKEN_UNKNOWN, Why.TOKEN_EXPIRED, Why.CERTIFICATE_REVOKED}
    | {Why.CALLER_UNKNOWN}
)
"""With which an instance says that it doesn't take calls from this balancer; it is as good as away."""


class Progress(Enum):
    """What had come back from the instance when it ended."""

    NOTHING = "nothing"
    ANSWERING = "answering"


def reason_in(trailers: Iterable[tuple[str, str | bytes]]) -> str:
    """The reason in a status of Tidegate's domain; empty for anybody else's."""
    for key, value in trailers:
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
        try:
            status.ParseFromString(value)
            for detail in status.details:
                if detail.Unpack(info) and info.domain == "tidegate":
                    return str(info.reason)
        except DecodeError:
            return ""
    return ""


def answer_in(trailers: Iterable[tuple[str, str | bytes]]) -> Outcome:
    """Whether an answer was full or degraded, as the instance says."""
    is_degraded = ("tidegate-degraded", "true") in tuple(trailers)
    return Outcome.DEGRADED if is_degraded else Outcome.FULL


def outcome_of(
    code: grpc.StatusCode, trailers: Iterable[tuple[str, str | bytes]], progress: Progress
) -> Outcome:
    """How the send ended, by the instance's final status.

    A status that our transport made up (nothing of ours in the trailers) is told from an answer
    by its code: UNAVAILABLE, or CANCELLED that nobody here asked for, as an instance leaves
    behind that is stopped in the middle of a call.
    """
    broke = Outcome.LOST if progress is Progress.NOTHING else Outcome.CUT
    match code:
        case grpc.StatusCode.OK:
            return answer_in(trailers)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Outcome.EXPIRED
        case grpc.StatusCode.CANCELLED:
            return broke
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.RESOURCE_EXHAUSTED:
            reason = reason_in(trailers)
            if reason in NO_WORK_DONE and progress is Progress.NOTHING:
                return Outcome.REFUSED
            if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                return Outcome.INVALID
            return Outcome.FAILED if reason else broke
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            is_ours = reason_in(trailers) in {why.value for why in DISTRUST}
            return broke if is_ours else Outcome.INVALID
        case grpc.StatusCode.INTERNAL | grpc.StatusCode.UNKNOWN | grpc.StatusCode.DATA_LOSS:
            return Outcome.FAILED
        case _:
            return Outcome.INVALID

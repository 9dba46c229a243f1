"""Turns away who may not call: one status for each reason, in words that name what to do and no secret.

The one table of identity's reasons, alike in balancer and server; docs/identity.md tells it. Knows nothing about
how a caller was told.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tidegate.identity.why import Why

DOMAIN = "tidegate"


_STATUSES: Mapping[Why, grpc.StatusCode] = {
    Why.NO_CREDENTIALS: grpc.StatusCode.UNAUTHENTICATED,
    Why.TOKEN_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    Why.TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Why.CERTIFICATE_REVOKED: grpc.StatusCode.UNAUTHENTICATED,
    Why.CALLER_UNKNOWN: grpc.StatusCode.PERMISSION_DENIED,
    Why.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    Why.INPUT_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Why.RATE_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Why.STALLED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Why.TOO_MANY_WATCH: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


@dataclass(frozen=True, slots=True)
class Denial:
    """Why one call is turned away. `retry_after_s` is None where coming back as one is, is no use."""

    why: Why
    message: str
    retry_after_s: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> grpc.StatusCode:
        """The status that the call ends with."""
        return _STATUSES[self.why]

    @property
    def trailers(self) -> tuple[tuple[str, str | bytes], ...]:
        """The reason for programs, and the hint, as a shed call gets it."""
        info = error_details_pb2.ErrorInfo(
            reason=self.why.value, domain=DOMAIN, metadata=dict(self.facts)
        )
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(info)
        hints: tuple[tuple[str, str | bytes], ...] = (("grpc-retry-pushback-ms", "-1"),)
        if self.retry_after_s is not None:
            after_ms = math.ceil(self.retry_after_s * 1000)
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(after_ms)
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
            hints = (
                ("grpc-retry-pushback-ms", str(after_ms)),
                ("retry-after", str(math.ceil(self.retry_after_s))),
            )
        return (("grpc-status-details-bin", status.SerializeToString()), *hints)


class DeniedError(Exception):
    """Carries a Denial from where it is decided to the door."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.message)
        self.denial = denial

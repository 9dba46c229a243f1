"""Turns a shed into what goes over the wire: one status, and hints that every kind of client reads.

The only place where a `Reason` meets a status code. Knows nothing about why a call was shed.
"""

import math
from collections.abc import Mapping
from typing import NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from tidegate.balancer.core.verdict import Reason, Shed

Metadata = tuple[tuple[str, str | bytes], ...]

DOMAIN = "tidegate"

STATUSES: Mapping[Reason, tuple[grpc.StatusCode, str]] = {
    Reason.QUEUE_FULL: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "{depth} calls wait in the {lane} lane already",
    ),
    Reason.WAIT_TOO_LONG: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the wait in the {lane} lane would be about {wait_s:.1f} s, longer than its limit",
    ),
    Reason.DEADLINE_UNREACHABLE: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the call can't be answered before its deadline: "
        "the wait in the {lane} lane is about {wait_s:.1f} s",
    ),
    Reason.QUEUE_TIMEOUT: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the call waited in the {lane} lane for as long as that lane allows",
    ),
    Reason.EXPIRED: (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "the call's deadline passed while it waited in the {lane} lane",
    ),
    Reason.DEGRADED_ONLY: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the call would have to wait while chats are answered in short, which it doesn't accept: "
        "the wait in the {lane} lane is about {wait_s:.1f} s",
    ),
    Reason.OVERLOADED: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the balancer itself is overloaded and takes no new calls in the {lane} lane",
    ),
    Reason.NO_INSTANCE: (
        grpc.StatusCode.UNAVAILABLE,
        "no hot instance serves the {lane} lane",
    ),
    Reason.WARMING_UP: (
        grpc.StatusCode.UNAVAILABLE,
        "no hot instance serves the {lane} lane, and the call can't wait for the next: "
        "it is expected in {wait_s:.1f} s",
    ),
    Reason.INSTANCE_LOST: (
        grpc.StatusCode.UNAVAILABLE,
        "the instance was lost before it answered, and no other try was possible",
    ),
    Reason.DRAINING: (grpc.StatusCode.UNAVAILABLE, "the balancer is shutting down"),
}


def message_of(shed: Shed) -> str:
    """The status message: what happened, with figures."""
    return STATUSES[shed.reason][1].format(
        lane=shed.call.lane.value,
        depth=shed.backlog.depth,
        wait_s=shed.backlog.estimated_wait_s,
    )


def trailers_of(shed: Shed) -> Metadata:
    """The hints: RetryInfo and ErrorInfo for gRPC, pushback for its retry policy, seconds for meshes.

    A call that should not come back gets a pushback of -1 and no delay; an expired call gets no
    pushback at all, for nobody waits for it any more.
    """
    info = error_details_pb2.ErrorInfo(
        reason=shed.reason.value,
        domain=DOMAIN,
        metadata={
            "lane": shed.call.lane.value,
            "est_wait_ms": str(round(shed.backlog.estimated_wait_s * 1000)),
            "queue_depth": str(shed.backlog.depth),
            "instances": str(shed.backlog.instances),
        },
    )
    status = status_pb2.Status(code=STATUSES[shed.reason][0].value[0], message=message_of(shed))
    status.details.add().Pack(info)
    hints: list[tuple[str, str | bytes]] = []
    if shed.retry_after_s is not None:
        retry_after_ms = math.ceil(shed.retry_after_s * 1000)
        retry_info = error_details_pb2.RetryInfo()
        retry_info.retry_delay.FromMilliseconds(retry_after_ms)
        status.details.add().Pack(retry_info)
        hints.append(("grpc-retry-pushback-ms", str(retry_after_ms)))
        hints.append(("retry-after", str(math.ceil(shed.retry_after_s))))
    elif shed.reason is not Reason.EXPIRED:
        hints.append(("grpc-retry-pushback-ms", "-1"))
    return (("grpc-status-details-bin", status.SerializeToString()), *hints)


async def refuse(context: grpc.aio.ServicerContext[bytes, bytes], shed: Shed) -> NoReturn:
    """End the call with the shed's status and hints, as trailers only."""
    # A tuple: given a Metadata object, grpc.aio turns the status into UNKNOWN.
    await context.abort(STATUSES[shed.reason][0], message_of(shed), trailers_of(shed))
    raise AssertionError("abort returned")

"""Says in JSON what a call brings: its label, its words, its end, or the error that ended it.

Knows nothing about connections. Every error that a browser is told is made here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidegate.clients.answers import Classification, Delta, End, Warming
from tidegate.clients.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    TidegateError,
    Unavailable,
)
from tidegate.v1 import fleet_pb2

Trailers = Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, under the name by which the page knows it."""

    name: str
    fields: Mapping[str, Any]

    def encoded(self) -> bytes:
        """As one server-sent event."""
        return f"event: {self.name}\ndata: {as_json(self.fields)}\n\n".encode()


def as_json(fields: Mapping[str, Any]) -> str:
    """On one line, as server-sent events must be; JSON escapes every line's end."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def warming_event(warming: Warming) -> Event:
    """That nothing is hot yet, and how long that is likely to last."""
    return Event("warming", asdict(warming))


def label_event(answer: Classification) -> Event:
    """The label, with what it was decided on."""
    return Event("sentiment", asdict(answer))


def delta_event(delta: Delta) -> Event:
    """The next piece of the reply."""
    return Event("delta", {"text": delta.text})


def end_event(end: End, trailers: Trailers) -> Event:
    """How the reply ended, and what the trailers say of where and how it was answered."""
    fields = asdict(end)
    fields["finish_reason"] = end.finish_reason.value
    fields["served_by"] = _text(trailers, "tidegate-served-by")
    fields["queued_ms"] = _whole(trailers, "tidegate-queue-duration-ms")
    return Event("end", fields)


def error_event(error: TidegateError, call_id: str, trailers: Trailers | None = None) -> Event:
    """Why there is no answer, or no more of it; id finds it in the logs."""
    return Event(
        "error",
        {
            "kind": _kind(error),
            "code": error.code.name,
            "reason": error.reason,
            "message": error.message,
            "retry_after_s": error.retry_after_s,
            "retry_forbidden": error.retry_forbidden,
            "details": dict(error.details),
            "fields": [asdict(each) for each in error.violations],
            "served_by": _text(trailers or {}, "tidegate-served-by"),
            "id": call_id,
        },
    )


def refused_event(reason: str, message: str) -> Event:
    """The gateway's own no to something that the page never sends."""
    return Event("error", {"kind": "refused", "reason": reason, "message": message})


def fleet_event(status: fleet_pb2.GetStatusResponse) -> Event:
    """One snapshot of the fleet."""
    return Event(
        "fleet",
        {
            "instances": [_instance(each) for each in status.instances],
            "lanes": [_lane(each) for each in status.lanes],
            "scales": [_scale(each) for each in status.scales],
            "discovery": status.discovery,
            "version": status.version,
            "worker": status.worker,
            "is_leading": status.is_leading,
        },
    )


def _kind(error: TidegateError) -> str:
    match error:
        case Overloaded():
            return "overloaded"
        case Unavailable() if not error.reason:
            return "away"
        case Unavailable():
            return "unavailable"
        case InvalidInput():
            return "invalid"
        case DeadlineExceeded():
            return "late"
        case _:
            return "failed"


def _instance(each: fleet_pb2.InstanceStatus) -> dict[str, Any]:
    return {
        "id": each.id,
        "address": each.address,
        "phase": _named(fleet_pb2.Phase, each.phase, "PHASE_"),
        "role": _named(fleet_pb2.Role, each.role, "ROLE_"),
        "model": each.model,
        "slots": each.slots,
        "in_flight": each.in_flight,
        "lanes": [
            {"lane": one.lane, "slots": one.slots, "in_flight": one.in_flight} for one in each.lanes
        ],
    }


def _lane(each: fleet_pb2.LaneStatus) -> dict[str, Any]:
    counts = each.counts
    names = ("offered", "full", "degraded", "shed", "expired", "cancelled", "failed")
    return {
        "lane": each.lane,
        "depth": each.depth,
        "wait_s": each.estimated_wait_ms / 1000,
        "counts": {name: getattr(counts, name) for name in names},
        "shed_by_reason": dict(each.shed_by_reason),
    }


def _scale(each: fleet_pb2.ScaleStatus) -> dict[str, Any]:
    return {
        "role": _named(fleet_pb2.Role, each.role, "ROLE_"),
        "launched": each.launched,
        "minimum": each.minimum,
        "maximum": each.maximum,
        "pinned": each.pinned,
        "warm_up_s": each.warm_up_ms / 1000,
        "decisions": [
            {
                "at_s": one.at.seconds + one.at.nanos / 1e9,
                "before": one.before,
                "after": one.after,
                "reason": one.reason,
            }
            for one in each.decisions
        ],
    }


def _named(kind: Any, number: int, prefix: str) -> str:
    """The name of an enum's value; one of a later release has none here."""
    if number not in kind.values():
        return "unspecified"
    return str(kind.Name(number)).removeprefix(prefix).lower()


def _text(trailers: Trailers, key: str) -> str:
    value = trailers.get(key, "")
    return value if isinstance(value, str) else ""


def _whole(trailers: Trailers, key: str) -> int | None:
    value = _text(trailers, key)
    return int(value) if value.isascii() and value.isdigit() else None

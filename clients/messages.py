"""Builds the messages that calls carry, and parses those that come back, for both clients.

Knows nothing about channels, deadlines or retries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import Any
from urllib.parse import quote

import grpc

from tidegate.clients.answers import (
    Classification,
    Delta,
    End,
    FinishReason,
    LabelScore,
    Reply,
    Usage,
)
from tidegate.clients.errors import FieldViolation, InvalidInput, error_of_text
from tidegate.clients.fleet import (
    FleetStatus,
    InstanceStatus,
    LaneCounts,
    LaneLoad,
    LaneStatus,
    Phase,
    Role,
    ScaleDecision,
    ScaleStatus,
)
from tidegate.clients.inputs import Item, Sampling, Turn
from tidegate.v1 import chat_pb2, fleet_pb2, sentiment_pb2, usage_pb2

_LARGEST = {
    "sampling.max_tokens": 2**32 - 1,
    "sampling.seed": 2**64 - 1,
    "count": 2**32 - 1,
    "for_s": 2**32 - 1,
}

_FINISH_REASON = {
    chat_pb2.FINISH_REASON_STOP: FinishReason.STOP,
    chat_pb2.FINISH_REASON_LENGTH: FinishReason.LENGTH,
}
_PHASE = {
    fleet_pb2.PHASE_COLD: Phase.COLD,
    fleet_pb2.PHASE_WARMING: Phase.WARMING,
    fleet_pb2.PHASE_HOT: Phase.HOT,
    fleet_pb2.PHASE_DRAINING: Phase.DRAINING,
}
_ROLE = {
    fleet_pb2.ROLE_BOTH: Role.BOTH,
    fleet_pb2.ROLE_SENTIMENT: Role.SENTIMENT,
    fleet_pb2.ROLE_CHAT: Role.CHAT,
}


def classify_request(
    text: str, profile: str | None, system_prompt: str | None
) -> sentiment_pb2.ClassifyRequest:
    """Raises InvalidInput for what no message can hold; so does every builder here."""
    return sentiment_pb2.ClassifyRequest(
        text=_text("text", text),
        profile=_text("profile", profile or ""),
        system_prompt=_optional_text("system_prompt", system_prompt),
    )


def stream_request(
    wire_id: str, item: Item, profile: str | None, system_prompt: str | None
) -> sentiment_pb2.ClassifyStreamRequest:
    """One item of a bulk stream; what the item leaves open comes from the stream."""
    return sentiment_pb2.ClassifyStreamRequest(
        item_id=wire_id,
        request=classify_request(
            item.text,
            profile if item.profile is None else item.profile,
            system_prompt if item.system_prompt is None else item.system_prompt,
        ),
    )


def chat_fields(
    text_or_turns: str | Sequence[Turn],
    profile: str | None,
    system_prompt: str | None,
    sampling: Sampling | None,
    conversation_id: str | None,
) -> dict[str, Any]:
    """The fields that all three chat requests share, under their names in the contract."""
    fields: dict[str, Any] = {
        "profile": _text("profile", profile or ""),
        "system_prompt": _optional_text("system_prompt", system_prompt),
        "conversation_id": _text("conversation_id", conversation_id or ""),
    }
    if isinstance(text_or_turns, str):
        fields["text"] = _text("text", text_or_turns)
    else:
        fields["turns"] = [
            chat_pb2.Turn(
                role=turn.speaker.value, content=_text(f"turns[{n}].content", turn.content)
            )
            for n, turn in enumerate(text_or_turns)
        ]
    if sampling is not None:
        fields["sampling"] = chat_pb2.Sampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            repetition_penalty=sampling.repetition_penalty,
            max_tokens=_whole("sampling.max_tokens", sampling.max_tokens),
            stop=[_text(f"sampling.stop[{n}]", stop) for n, stop in enumerate(sampling.stop)],
            seed=_whole("sampling.seed", sampling.seed),
        )
    return fields


def chat_metadata(
    conversation_id: str | None, accept_degraded: bool
) -> tuple[tuple[str, str], ...]:
    """What the balancer reads of a chat, for it never opens the message.

    Metadata is ASCII, a conversation's name need not be: it travels percent-encoded.
    """
    metadata = []
    if conversation_id:
        metadata.append(("tidegate-conversation", quote(_text("conversation_id", conversation_id))))
    if not accept_degraded:
        metadata.append(("tidegate-accept-degraded", "false"))
    return tuple(metadata)


def classification(message: sentiment_pb2.ClassifyResponse) -> Classification:
    """The value of an answer."""
    return Classification(
        label=message.label,
        confidence=message.confidence,
        scores=tuple(LabelScore(each.label, each.score) for each in message.scores),
        profile=message.profile,
        profile_version=message.profile_version,
        model=message.model,
        truncated=message.truncated,
        degraded=message.degraded,
        usage=_usage(message.usage),
    )


def reply(message: chat_pb2.ReplyResponse) -> Reply:
    """The value of a whole reply."""
    return Reply(
        text=message.text,
        finish_reason=_FINISH_REASON.get(message.finish_reason, FinishReason.UNSPECIFIED),
        usage=_usage(message.usage),
        profile=message.profile,
        profile_version=message.profile_version,
        model=message.model,
        degraded=message.degraded,
        truncated=message.truncated,
        sentiment=classification(message.sentiment) if message.HasField("sentiment") else None,
    )


def stream_event(message: chat_pb2.StreamReplyResponse) -> Delta | End | None:
    """The event in a message; None for one that this release doesn't know."""
    kind = message.WhichOneof("event")
    if kind == "delta":
        return Delta(message.delta)
    return _end(message.end) if kind == "end" else None


def judge_event(message: chat_pb2.JudgeAndReplyResponse) -> Classification | Delta | End | None:
    """The event in a message; None for one that this release doesn't know."""
    kind = message.WhichOneof("event")
    if kind == "sentiment":
        return classification(message.sentiment)
    if kind == "delta":
        return Delta(message.delta)
    return _end(message.end) if kind == "end" else None


def fleet_status(message: fleet_pb2.GetStatusResponse) -> FleetStatus:
    """The value of a snapshot; phases and roles of a later release read as UNSPECIFIED."""
    return FleetStatus(
        instances=tuple(instance_status(each) for each in message.instances),
        lanes=tuple(_lane(each) for each in message.lanes),
        discovery=message.discovery,
        version=message.version,
        worker=message.worker,
        scales=tuple(scale_status(each) for each in message.scales),
        is_leading=message.is_leading,
    )


def scale_status(message: fleet_pb2.ScaleStatus) -> ScaleStatus:
    """The value of what is started and stopped of one role."""
    return ScaleStatus(
        role=_ROLE.get(message.role, Role.UNSPECIFIED),
        launched=message.launched,
        minimum=message.minimum,
        maximum=message.maximum,
        pinned=message.pinned,
        warm_up_s=message.warm_up_ms / 1000,
        decisions=tuple(
            ScaleDecision(each.at.ToDatetime(timezone.utc), each.before, each.after, each.reason)
            for each in message.decisions
        ),
    )


def warm_request(role: Role, count: int, for_s: int) -> fleet_pb2.WarmRequest:
    """Raises InvalidInput for what no message can hold."""
    return fleet_pb2.WarmRequest(
        role=_wire_role(role), count=_whole("count", count) or 0, for_s=_whole("for_s", for_s) or 0
    )


def pin_request(role: Role, count: int) -> fleet_pb2.PinRequest:
    """Raises InvalidInput for what no message can hold."""
    return fleet_pb2.PinRequest(role=_wire_role(role), count=_whole("count", count) or 0)


def _wire_role(role: Role) -> fleet_pb2.Role.ValueType:
    for number, each in _ROLE.items():
        if each is role:
            return number
    return fleet_pb2.ROLE_UNSPECIFIED


def instance_status(message: fleet_pb2.InstanceStatus) -> InstanceStatus:
    """The value of one instance."""
    return InstanceStatus(
        id=message.id,
        address=message.address,
        phase=_PHASE.get(message.phase, Phase.UNSPECIFIED),
        role=_ROLE.get(message.role, Role.UNSPECIFIED),
        model=message.model,
        slots=message.slots,
        in_flight=message.in_flight,
        lanes=tuple(LaneLoad(each.lane, each.slots, each.in_flight) for each in message.lanes),
    )


def _lane(message: fleet_pb2.LaneStatus) -> LaneStatus:
    counts = message.counts
    return LaneStatus(
        lane=message.lane,
        depth=message.depth,
        estimated_wait_s=message.estimated_wait_ms / 1000,
        counts=LaneCounts(
            offered=counts.offered,
            full=counts.full,
            degraded=counts.degraded,
            shed=counts.shed,
            expired=counts.expired,
            cancelled=counts.cancelled,
            failed=counts.failed,
        ),
        shed_by_reason=dict(message.shed_by_reason),
    )


def _end(message: chat_pb2.ReplyEnd) -> End:
    return End(
        finish_reason=_FINISH_REASON.get(message.finish_reason, FinishReason.UNSPECIFIED),
        usage=_usage(message.usage),
        profile=message.profile,
        profile_version=message.profile_version,
        model=message.model,
        degraded=message.degraded,
        truncated=message.truncated,
        sentiment=classification(message.sentiment) if message.HasField("sentiment") else None,
    )


def _usage(message: usage_pb2.Usage) -> Usage:
    return Usage(message.prompt_tokens, message.cached_tokens, message.completion_tokens)


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise error_of_text(name) from None
    return value


def _optional_text(name: str, value: str | None) -> str | None:
    return None if value is None else _text(name, value)


def _whole(name: str, value: int | None) -> int | None:
    if value is None or 0 <= value <= _LARGEST[name]:
        return value
    wrong = f"{value} is not a whole number from 0 to {_LARGEST[name]}"
    raise InvalidInput(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{name}: {wrong}",
        reason="INVALID_FIELD",
        retry_forbidden=True,
        violations=(FieldViolation(name, wrong),),
    )

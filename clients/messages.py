"""Builds the messages that calls carry, and parses those that come back, for both clients.

Knows nothing about channels, deadlines or retries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tidegate.clients.answers import (
    Classification,
    DegradedEnd,
    DegradedReply,
    Delta,
    End,
    FinishReason,
    LabelScore,
    Reply,
    Usage,
    Warming,
)
from tidegate.clients.errors import (
    FieldViolation,
    InvalidInput,
    error_of_text,
    error_of_unreadable_answer,
)
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
from tidegate.clients.inputs import Turn
from tidegate.clients.options import Chatting, Classifying, Streaming
from tidegate.clients.patience import CallMetadata
from tidegate.clients.profiles import ProfileInfo, ProfileKind
from tidegate.v1 import chat_pb2, fleet_pb2, profile_pb2, sentiment_pb2, usage_pb2

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


def classify_request(text: str, options: Classifying) -> sentiment_pb2.ClassifyRequest:
    """Raises InvalidInput for what no message can hold; so does every builder here."""
    return sentiment_pb2.ClassifyRequest(
        text=_text("text", text),
        profile=_text("profile", options.profile or ""),
        system_prompt=_optional_text("system_prompt", options.system_prompt),
    )


def chat_fields(text_or_turns: str | Sequence[Turn], options: Chatting) -> dict[str, Any]:
    """The fields that all three chat requests share, under their names in the contract."""
    sampling = options.sampling
    fields: dict[str, Any] = {
        "profile": _text("profile", options.profile or ""),
        "system_prompt": _optional_text("system_prompt", options.system_prompt),
        "conversation_id": _text("conversation_id", options.conversation_id or ""),
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


def chat_metadata(options: Chatting) -> CallMetadata:
    """What the balancer reads of a chat, for it never opens the message.

    Metadata is ASCII, a conversation's name need not be: it travels percent-encoded.
    """
    metadata = []
    if options.conversation_id:
        name = quote(_text("conversation_id", options.conversation_id))
        metadata.append(("tidegate-conversation", name))
    if not options.accept_degraded:
        metadata.append(("tidegate-accept-degraded", "false"))
    if isinstance(options, Streaming) and options.progress:
        metadata.append(("tidegate-progress", "true"))
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
    shared = (
        message.text,
        _FINISH_REASON.get(message.finish_reason, FinishReason.UNSPECIFIED),
        _usage(message.usage),
        message.profile,
        message.profile_version,
        message.model,
    )
    if message.degraded:
        return DegradedReply(*shared, True, message.truncated, classification(message.sentiment))
    return Reply(*shared, False, message.truncated, None)


def stream_event(message: chat_pb2.StreamReplyResponse) -> Warming | Delta | End | None:
    """The event in a message; None for one that this release doesn't know."""
    match message.WhichOneof("event"):
        case "warming":
            return _warming(message.warming)
        case "delta":
            return Delta(message.delta)
        case "end":
            return _end(message.end, message.end.sentiment)
        case _:
            return None


def judge_event(
    message: chat_pb2.JudgeAndReplyResponse, judged: sentiment_pb2.ClassifyResponse | None = None
) -> Warming | Classification | Delta | End | None:
    """The event in a message; None for one that this release doesn't know.

    The end of a degraded reply says again what was `judged` first.
    """
    match message.WhichOneof("event"):
        case "warming":
            return _warming(message.warming)
        case "sentiment":
            return classification(message.sentiment)
        case "delta":
            return Delta(message.delta)
        case "end":
            return _end(message.end, judged or message.end.sentiment)
        case _:
            return None


class JudgeEvents:
    """Reads the events of one JudgeAndReply stream, and remembers what was judged."""

    def __init__(self) -> None:
        self._judged: sentiment_pb2.ClassifyResponse | None = None

    def read(
        self, message: chat_pb2.JudgeAndReplyResponse
    ) -> Warming | Classification | Delta | End | None:
        """The event in the next message; None for one that this release doesn't know."""
        if message.HasField("sentiment"):
            self._judged = message.sentiment
        return judge_event(message, self._judged)


def profiles(message: profile_pb2.ListProfilesResponse) -> tuple[ProfileInfo, ...]:
    """The values of a listing; a kind of a later release reads as UNSPECIFIED."""
    kinds = {kind.value: kind for kind in ProfileKind}
    return tuple(
        ProfileInfo(
            name=each.name,
            version=each.version,
            kind=kinds.get(each.kind, ProfileKind.UNSPECIFIED),
            description=each.description,
            labels=tuple(each.labels),
            is_default=each.is_default,
        )
        for each in message.profiles
    )


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
            ScaleDecision(_moment(each.at), each.before, each.after, each.reason)
            for each in message.decisions
        ),
    )


def _moment(at: Timestamp) -> datetime:
    try:
        return at.ToDatetime(timezone.utc)
    except (ValueError, OverflowError):
        raise error_of_unreadable_answer() from None


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


def _end(message: chat_pb2.ReplyEnd, sentiment: sentiment_pb2.ClassifyResponse) -> End:
    shared = (
        _FINISH_REASON.get(message.finish_reason, FinishReason.UNSPECIFIED),
        _usage(message.usage),
        message.profile,
        message.profile_version,
        message.model,
    )
    if message.degraded:
        return DegradedEnd(*shared, True, message.truncated, classification(sentiment))
    return End(*shared, False, message.truncated, None)


def _warming(message: chat_pb2.Warming) -> Warming:
    return Warming(message.expected_ms / 1000)


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

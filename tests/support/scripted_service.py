"""A Tidegate service whose answers are written by the test, over real sockets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from google.protobuf import timestamp_pb2
from google.rpc import error_details_pb2, status_pb2

from tidegate.v1 import chat_pb2, fleet_pb2, profile_pb2, sentiment_pb2, usage_pb2
from tidegate.v1.chat_pb2_grpc import ChatServicer, add_ChatServicer_to_server
from tidegate.v1.fleet_pb2_grpc import FleetServicer, add_FleetServicer_to_server
from tidegate.v1.sentiment_pb2_grpc import SentimentServicer, add_SentimentServicer_to_server

Trailers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, and its trailers, with which a call ends."""

    code: grpc.StatusCode
    message: str = "no"
    trailers: Trailers = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A call as the service saw it."""

    method: str
    request: object
    metadata: dict[str, str | bytes]
    left_s: float | None


def rich_status(code: grpc.StatusCode, message: str, *details: object) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def shed(pushback_ms: int, message: str = "the chat lane is full") -> Refusal:
    """A shed as the balancer sends it."""
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(max(pushback_ms, 0))
    info = error_details_pb2.ErrorInfo(
        reason="QUEUE_FULL", domain="tidegate", metadata={"lane": "chat", "queue_depth": "9"}
    )
    return Refusal(
        code,
        message,
        (
            ("grpc-retry-pushback-ms", str(pushback_ms)),
            (
                "grpc-status-details-bin",
                rich_status(code, message, retry, info).SerializeToString(),
            ),
        ),
    )


def invalid(field_name: str, wrong: str) -> Refusal:
    code, message = grpc.StatusCode.INVALID_ARGUMENT, f"{field_name}: {wrong}"
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field=field_name, description=wrong)
    details = rich_status(code, message, bad).SerializeToString()
    return Refusal(code, message, (("grpc-status-details-bin", details),))


def classified(label: str = "正面", score: float = 0.99) -> sentiment_pb2.ClassifyResponse:
    return sentiment_pb2.ClassifyResponse(
        label=label,
        confidence=2 * score - 1,
        scores=[
            sentiment_pb2.LabelScore(label=label, score=score),
            sentiment_pb2.LabelScore(label="other", score=1 - score),
        ],
        profile="sentiment",
        profile_version="0123456789ab",
        model="scripted",
        usage=usage_pb2.Usage(prompt_tokens=30, cached_tokens=20),
    )


def ended(is_degraded: bool = False) -> chat_pb2.ReplyEnd:
    return chat_pb2.ReplyEnd(
        degraded=is_degraded,
        finish_reason=chat_pb2.FINISH_REASON_STOP,
        usage=usage_pb2.Usage(prompt_tokens=30, cached_tokens=20, completion_tokens=2),
        profile="chat",
        profile_version="ba9876543210",
        model="scripted",
    )


class Service(SentimentServicer, ChatServicer, FleetServicer):
    """Answers well, unless `refusals` holds a status for the next call.

    A classified text "bad" is refused, and one that begins with "slow" takes a while, on a slow machine longer: until another
    call has been under way beside it (2 s at most). A text "hang" is answered by
    its first message and then by nothing until the caller goes, which sets `cancelled`.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.refusals: deque[Refusal] = deque()
        self.refuse_after_first: Refusal | None = None
        self.leave_out_end = False
        self.warming_ms: int | None = None
        self.watched_to_no_end = False
        self.watches_lost = 0
        self.scales: list[fleet_pb2.ScaleStatus] = []
        self.is_degrading = False
        self.is_hanging = True
        self.warm = asyncio.Event()
        self.warm.set()
        self.hanging = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.deltas = ["你好", "，世界"]
        self.address = ""
        self.phase = fleet_pb2.PHASE_HOT
        self.under_way = 0
        self.most_under_way = 0
        self.is_leading = True

    async def _arrive(self, method: str, request: object, context: grpc.aio.ServicerContext):
        self.seen.append(
            Seen(method, request, dict(context.invocation_metadata()), context.time_remaining())
        )
        if self.refusals:
            refusal = self.refusals.popleft()
            await context.abort(refusal.code, refusal.message, refusal.trailers)

    async def _hang(self) -> None:
        if not self.is_hanging:
            return
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def Classify(self, request, context):  # noqa: N802
        await self._arrive("Classify", request, context)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._label(request, context)
        finally:
            self.under_way -= 1

    async def _label(self, request, context):
        if request.text == "hang":
            await self._hang()
        if request.text == "bad":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "text: is bad")
        if request.text.startswith("slow"):
            await asyncio.sleep(0.2)
            for _ in range(40):
                if self.most_under_way > 1:
                    break
                await asyncio.sleep(0.05)
        return classified("负面" if "差" in request.text else "正面")

    async def Reply(self, request, context):  # noqa: N802
        await self._arrive("Reply", request, context)
        end = ended(self.is_degrading)
        return chat_pb2.ReplyResponse(
            degraded=end.degraded,
            sentiment=classified("负面") if end.degraded else None,
            text="".join(self.deltas),
            finish_reason=end.finish_reason,
            usage=end.usage,
            profile=end.profile,
            profile_version=end.profile_version,
            model=end.model,
        )

    async def StreamReply(self, request, context):  # noqa: N802
        await self._arrive("StreamReply", request, context)
        if self._tells_of_warming():
            yield chat_pb2.StreamReplyResponse(
                warming=chat_pb2.Warming(expected_ms=self.warming_ms)
            )
            await self._warm()
        text = request.text or request.turns[-1].content
        async for delta in self._write(text, context):
            yield chat_pb2.StreamReplyResponse(delta=delta)
        end = ended(self.is_degrading)
        if end.degraded:
            end.sentiment.CopyFrom(classified("负面"))
        if not self.leave_out_end:
            yield chat_pb2.StreamReplyResponse(end=end)

    async def JudgeAndReply(self, request, context):  # noqa: N802
        await self._arrive("JudgeAndReply", request, context)
        if self._tells_of_warming():
            warming = chat_pb2.Warming(expected_ms=self.warming_ms)
            yield chat_pb2.JudgeAndReplyResponse(warming=warming)
            await self._warm()
        yield chat_pb2.JudgeAndReplyResponse(sentiment=classified())
        text = request.text or request.turns[-1].content
        async for delta in self._write(text, context):
            yield chat_pb2.JudgeAndReplyResponse(delta=delta)
        if not self.leave_out_end:
            yield chat_pb2.JudgeAndReplyResponse(end=ended(self.is_degrading))

    def _tells_of_warming(self) -> bool:
        """As a balancer does: while nothing is hot, and to those who ask."""
        asked = self.seen[-1].metadata.get("tidegate-progress") == "true"
        return asked and self.warming_ms is not None

    async def _warm(self) -> None:
        await self.warm.wait()

    async def _write(self, text: str, context: grpc.aio.ServicerContext) -> AsyncIterator[str]:
        for delta in self.deltas:
            yield delta
            if text == "hang":
                await self._hang()
            if self.refuse_after_first is not None:
                refusal = self.refuse_after_first
                await context.abort(refusal.code, refusal.message, refusal.trailers)

    async def ListProfiles(self, request, context):  # noqa: N802
        await self._arrive("ListProfiles", request, context)
        # Both services have this method, and this class is both.
        kind = "chat" if [seen.method for seen in self.seen].count("ListProfiles") % 2 == 0 else ""
        profile = profile_pb2.ProfileSummary(name="chat", version="ba98", kind="chat")
        if not kind:
            profile = profile_pb2.ProfileSummary(
                name="sentiment",
                version="0123",
                kind="classify",
                description="good or bad",
                labels=["正面", "负面"],
                is_default=True,
            )
        return profile_pb2.ListProfilesResponse(profiles=[profile])

    async def GetStatus(self, request, context):  # noqa: N802
        await self._arrive("GetStatus", request, context)
        return self._status()

    async def WatchStatus(self, request, context):  # noqa: N802
        await self._arrive("WatchStatus", request, context)
        for phase in (fleet_pb2.PHASE_WARMING, fleet_pb2.PHASE_WARMING, fleet_pb2.PHASE_HOT):
            status = self._status()
            status.instances[0].phase = phase
            yield status
        if self.watches_lost:
            self.watches_lost -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the balancer is gone")
        if self.watched_to_no_end:
            await asyncio.Event().wait()

    async def Drain(self, request, context):  # noqa: N802
        await self._arrive("Drain", request, context)
        instance = self._status().instances[0]
        instance.phase = fleet_pb2.PHASE_DRAINING
        return fleet_pb2.DrainResponse(instance=instance)

    async def Warm(self, request, context):  # noqa: N802
        await self._arrive("Warm", request, context)
        return fleet_pb2.WarmResponse(scale=scale_of(request.role, pinned=0))

    async def Pin(self, request, context):  # noqa: N802
        await self._arrive("Pin", request, context)
        return fleet_pb2.PinResponse(scale=scale_of(request.role, request.count))

    def _status(self):
        return fleet_pb2.GetStatusResponse(
            instances=[
                fleet_pb2.InstanceStatus(
                    id="tidegate-here-50061",
                    address="127.0.0.1:50061",
                    phase=self.phase,
                    role=fleet_pb2.ROLE_BOTH,
                    model="scripted",
                    slots=12,
                    in_flight=3,
                    lanes=[
                        fleet_pb2.LaneLoad(lane="sentiment", slots=8, in_flight=2),
                        fleet_pb2.LaneLoad(lane="chat", slots=4, in_flight=1),
                    ],
                )
            ],
            lanes=[
                fleet_pb2.LaneStatus(
                    lane="chat",
                    depth=2,
                    estimated_wait_ms=1500,
                    counts=fleet_pb2.LaneCounts(offered=9, full=5, shed=1),
                    shed_by_reason={"QUEUE_FULL": 1},
                )
            ],
            discovery="static",
            version="0.1.0",
            scales=self.scales,
            is_leading=self.is_leading,
        )


def scale_of(role, pinned):
    return fleet_pb2.ScaleStatus(
        role=role,
        launched=2,
        minimum=1,
        maximum=3,
        pinned=pinned,
        warm_up_ms=8500,
        decisions=[
            fleet_pb2.ScaleDecision(
                at=timestamp_pb2.Timestamp(seconds=1_800_000_000),
                before=1,
                after=2,
                reason="8 calls for 8 slots for 2 s; 1 -> 2",
            )
        ],
    )


@asynccontextmanager
async def running_service(
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[Service]:
    """The service on a port of its own, in this loop; with credentials it speaks TLS."""
    scripted = Service()
    server = grpc.aio.server()
    add_SentimentServicer_to_server(scripted, server)
    add_ChatServicer_to_server(scripted, server)
    add_FleetServicer_to_server(scripted, server)
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("127.0.0.1:0", credentials)
    )
    scripted.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield scripted
    finally:
        await server.stop(None)

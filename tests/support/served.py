"""A whole server in the test's own process: real gRPC, the real engine, a scripted model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2
from prometheus_client import CollectorRegistry
from support.scripted_model import ByteTokenizer, ScriptedModel

from tidegate.server.admission import Admission
from tidegate.server.answering import Answering
from tidegate.server.config import ServerSettings
from tidegate.server.edge import Edge
from tidegate.server.engine.call import Times
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.sequence import Ending, Usage
from tidegate.server.front import Front
from tidegate.server.guarding import guard_of
from tidegate.server.instance import InstanceService
from tidegate.server.lane import Lane, Role
from tidegate.server.listener import Listener
from tidegate.server.telemetry.exporter import Exporter
from tidegate.server.telemetry.load import LoadCollector
from tidegate.server.telemetry.meter import Meter
from tidegate.server.telemetry.traces import Traces
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.sentiment_pb2_grpc import SentimentStub


@dataclass
class Served:
    """One running server and a channel to it."""

    channel: grpc.aio.Channel
    admission: Admission
    edge: Edge
    engine: Engine
    model: ScriptedModel
    listener: Listener
    metrics_port: int
    port: int

    @property
    def sentiment(self) -> SentimentStub:
        return SentimentStub(self.channel)

    @property
    def chat(self) -> ChatStub:
        return ChatStub(self.channel)

    def is_at_rest(self) -> bool:
        load = self.engine.load()
        return self.admission.is_idle and load.free_slots == load.slots and load.waiting == 0


@asynccontextmanager
async def serve(
    model: ScriptedModel | None = None,
    *,
    context_tokens: int = 4096,
    traces: Traces | None = None,
    **settings: object,
) -> AsyncIterator[Served]:
    """Serve `model` on a free port by the given settings, warmed up."""
    chosen = ServerSettings(port=0, consul="off", **settings)
    model = model or ScriptedModel()
    role = Role(chosen.role)
    slots = {
        Lane.SENTIMENT: chosen.sentiment_slots,
        Lane.CHAT: chosen.chat_slots,
        Lane.DEGRADED: chosen.degraded_slots,
    }
    admission = Admission({lane: slots[lane] for lane in role.lanes})
    registry = CollectorRegistry()
    edge = Edge(admission, Meter(registry, *([] if traces is None else [traces.trace_id])))
    engine = Engine(
        model,
        ByteTokenizer(),
        model_name="scripted",
        slots=chosen.chat_slots + 4,
        reserved=4,
        context_tokens=context_tokens,
    )
    engine.start()
    front = Front(role)
    instance = InstanceService(role, "scripted", admission)
    registry.register(LoadCollector(admission, role.lanes, instance.load, "test"))
    guard = guard_of(chosen)
    allows = None if guard.trust is None else guard.trust.lets_scrape
    exporter = Exporter(registry, guard.tls, allows)
    front.add(instance.handlers())
    answering = Answering(chosen, engine, edge)
    await answering.warm_up()

    def sequence_ended(times: Times, usage: Usage, ending: Ending | None) -> None:
        edge.sequence_ended(times, usage)
        if traces is not None:
            traces.sequence_ended(times, usage, ending)

    engine.tell(sequence_ended)
    instance.engine = engine
    metrics_port = await exporter.start(*chosen.metrics_address) if chosen.metrics_address else 0
    front.add(answering.handlers())
    front.open()
    within = front if traces is None else traces.around(front)
    async with Listener(role, within, guard) as listener:
        port = await listener.start(chosen.host, 0)
        await listener.start_serving()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                yield Served(channel, admission, edge, engine, model, listener, metrics_port, port)
            finally:
                model.release()
                await exporter.stop()
    await answering.stop()
    await engine.stop()


@dataclass
class Refused:
    """What a refused call says, unpacked."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: list[str]
    pushback_ms: int | None
    trailers: dict[str, str | bytes]


def unpack(error: grpc.aio.AioRpcError) -> Refused:
    """Read the details and hints of a refusal; they must agree with its status."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    assert info.domain == "tidegate"
    pushback = trailers.get("grpc-retry-pushback-ms")
    return Refused(
        code=error.code(),
        message=error.details(),
        reason=info.reason,
        fields=[one.field for one in bad.field_violations],
        pushback_ms=None if pushback is None else int(pushback),
        trailers=trailers,
    )

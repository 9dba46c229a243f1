import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.served import serve, unpack

from tidegate.server.admission import Admission
from tidegate.server.front import Front
from tidegate.server.instance import InstanceService
from tidegate.server.lane import Lane, Role
from tidegate.server.listener import LIVENESS, READINESS, Listener
from tidegate.server.start_error import StartError
from tidegate.v1 import fleet_pb2, instance_pb2, instance_pb2_grpc
from tidegate.v1.chat_pb2 import ReplyRequest, StreamReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def warming():
    front = Front(Role.BOTH)
    admission = Admission({Lane.SENTIMENT: 2, Lane.CHAT: 1, Lane.DEGRADED: 1})
    front.add(InstanceService(Role.BOTH, "some-model", admission).handlers())
    async with Listener(Role.BOTH, front) as listener:
        port = await listener.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel


async def test_a_warming_instance_refuses_every_shape_of_call_with_a_hint(warming):
    calls = [
        SentimentStub(warming).Classify(ClassifyRequest(text="好")),
        SentimentStub(warming).ClassifyStream(iter([])).read(),
        ChatStub(warming).Reply(ReplyRequest(text="好")),
        ChatStub(warming).StreamReply(StreamReplyRequest(text="好")).read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        refused = unpack(caught.value)
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        assert refused.reason == "WARMING"
        assert 1000 <= refused.pushback_ms <= 2000


async def test_a_warming_instance_tells_its_health_and_itself(warming):
    health = health_pb2_grpc.HealthStub(warming)
    for service in ("", "tidegate.v1.Sentiment", "tidegate.v1.Chat"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == NOT_SERVING

    load = await instance_pb2_grpc.InstanceStub(warming).GetLoad(instance_pb2.GetLoadRequest())
    assert load.phase == fleet_pb2.PHASE_WARMING
    assert load.role == fleet_pb2.ROLE_BOTH
    slots = [(lane.lane, lane.slots) for lane in load.lanes]
    assert slots == [("sentiment", 2), ("chat", 1), ("degraded", 1)]
    assert load.model == "some-model"


async def test_a_role_serves_its_lane_only():
    async with serve(role="sentiment") as served:
        assert (await served.sentiment.Classify(ClassifyRequest(text="好"))).label
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.Reply(ReplyRequest(text="好"))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        health = health_pb2_grpc.HealthStub(served.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="tidegate.v1.Chat"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_an_unknown_method_is_unimplemented():
    async with serve(role="both") as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.channel.unary_unary("/tidegate.v1.Sentiment/Guess")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_lists_what_is_served():
    async with serve() as served:
        stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = await stub.ServerReflectionInfo(iter([ask])).read()
        names = {service.name for service in answer.list_services_response.service}
        assert {"tidegate.v1.Sentiment", "tidegate.v1.Chat", "tidegate.v1.Instance"} <= names


async def test_who_warms_up_or_drains_lives_and_is_not_ready(warming):
    async def ask(channel: grpc.aio.Channel) -> list[int]:
        check = health_pb2_grpc.HealthStub(channel).Check
        requests = [health_pb2.HealthCheckRequest(service=each) for each in (LIVENESS, READINESS)]
        return [(await check(request)).status for request in requests]

    assert await ask(warming) == [SERVING, NOT_SERVING]
    async with serve() as served:
        assert await ask(served.channel) == [SERVING, SERVING]
        await served.listener.stop_serving()
        assert await ask(served.channel) == [SERVING, NOT_SERVING]


async def test_health_turns_with_serving():
    async with serve() as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await served.listener.stop_serving()
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_a_taken_port_is_one_clear_line():
    async with Listener(Role.BOTH, Front(Role.BOTH)) as first:
        port = await first.start("127.0.0.1", 0)
        async with Listener(Role.BOTH, Front(Role.BOTH)) as second:
            with pytest.raises(StartError, match=f"port {port} can't be listened on"):
                await second.start("127.0.0.1", port)

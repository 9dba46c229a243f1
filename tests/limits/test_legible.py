"""Bytes that are no message, at services whose generated code reads messages."""

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from tidegate.identity.door import Collected
from tidegate.limits.legible import Legible

NO_MESSAGE = b"\x0a\x7f"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    collected = Collected()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), collected)
    servicer = reflection.aio.ReflectionServicer([health.SERVICE_NAME])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, collected)
    server = grpc.aio.server(handlers=[Legible(each) for each in collected.handlers])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(None)


@pytest.mark.parametrize(
    "path", ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", REFLECT]
)
async def test_they_are_their_callers_mistake(channel: grpc.aio.Channel, path: str):
    call = channel.stream_stream(path)(iter([NO_MESSAGE]), timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _all_of(call)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "2 bytes that are not the message of this method"


async def _all_of(call: grpc.aio.StreamStreamCall) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_message_is_read_as_ever(channel: grpc.aio.Channel):
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(health_pb2.HealthCheckRequest(service="nobody's"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="nobody's"))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()

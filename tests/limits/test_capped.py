"""Calls that may last for ever, and how many of them there may be."""

import asyncio
import contextlib

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from support.waiting import eventually

from tidegate.identity.door import Collected
from tidegate.limits.capped import Cap, Capped


async def test_no_more_watch_than_may_and_the_next_may_when_one_has_gone() -> None:
    collected, refused = Collected(), []
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), collected)
    cap = Cap(2, lambda: refused.append(1))
    server = grpc.aio.server(handlers=[Capped(each, cap) for each in collected.handlers])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub, asked = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest()
        watches = [stub.Watch(asked) for _ in range(2)]
        for watch in watches:
            await watch.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(asked)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limits.side_calls" in (caught.value.details() or "")
        assert dict(caught.value.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "5000"
        assert refused == [1]

        watches[0].cancel()

        async def may() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await stub.Check(asked)
                return True
            return False

        end_s = asyncio.get_running_loop().time() + 5
        while not await may():
            assert asyncio.get_running_loop().time() < end_s
            await asyncio.sleep(0.02)
    await server.stop(0)
    await eventually(lambda: not cap.refuses())

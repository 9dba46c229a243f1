import asyncio

import grpc
import pytest
from support.sidecars import front
from support.waiting import eventually

from tidegate.balancer.own_call import EVERY_S, METHOD, OwnCall


class Slow(grpc.GenericRpcHandler):
    """Answers the balancer's own call once it is let."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler | None":
        async def answer(request: bytes, context: object) -> bytes:
            await self.may_answer.wait()
            return b""

        is_asked = details.method == METHOD
        return grpc.unary_unary_rpc_method_handler(answer) if is_asked else None


async def test_a_call_counts_while_it_is_under_way_and_when_it_is_over():
    slow, took_s = Slow(), list[float]()
    server = grpc.aio.server(handlers=[slow])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    own_call = OwnCall(took_s.append)
    own_call.start(f"127.0.0.1:{port}")
    try:
        await eventually(lambda: len(took_s) >= 3)
        # The oldest of those under way: a younger one is no news.
        assert 0.1 < took_s[0] < took_s[1] < took_s[2]
        slow.may_answer.set()
        await eventually(lambda: took_s[-1] < EVERY_S)
        assert max(took_s) > 2.5 * EVERY_S
    finally:
        await own_call.stop()
        await server.stop(0)
    await OwnCall(took_s.append).stop()


async def test_a_call_that_grpc_turns_away_says_nothing_of_the_time():
    slow, took_s = Slow(), list[float]()
    # One at a time: the others are refused at once, by gRPC itself.
    server = grpc.aio.server(handlers=[slow], maximum_concurrent_rpcs=1)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    own_call = OwnCall(took_s.append)
    own_call.start(f"127.0.0.1:{port}")
    try:
        await eventually(lambda: len(took_s) >= 3)
        assert EVERY_S * 0.9 < took_s[0] < took_s[1] < took_s[2]
    finally:
        await own_call.stop()
        await server.stop(0)


async def test_it_stands_in_the_queue_of_the_calls_that_are_forwarded():
    async with front(instances="127.0.0.1:1") as it:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await it.channel.unary_unary(METHOD)(b"")
        # A registered method would be known, and have a queue of its own.
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED

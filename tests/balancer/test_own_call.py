import asyncio

import grpc
from support.waiting import eventually

from tidegate.balancer.own_call import METHOD, OwnCall


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
        assert 0.1 < took_s[0] < took_s[1] < took_s[2]
        slow.may_answer.set()
        await eventually(lambda: took_s[-1] < took_s[-2])
    finally:
        await own_call.stop()
        await server.stop(0)
    await OwnCall(took_s.append).stop()

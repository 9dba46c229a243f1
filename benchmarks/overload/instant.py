"""An instance that answers with the same bytes, at once or after a while: for what a proxy costs.

`python -m benchmarks.overload.instant PORT [LABEL_S TOKEN_S]`: seconds that a label and a token of a reply take. Says of
itself that it is simulated, and is no real server: it checks nothing and refuses nobody.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tidegate.v1 import fleet_pb2, instance_pb2
from tidegate.v1.chat_pb2 import ReplyRequest, ReplyResponse
from tidegate.v1.sentiment_pb2 import ClassifyResponse

_SLOTS = 1024
_ANSWER = ReplyResponse(
    text="这是模拟的回答，没有模型。", model="simulated:instant"
).SerializeToString()
_LABEL = ClassifyResponse(label="正面", model="simulated:instant").SerializeToString()
_FACTS = instance_pb2.GetLoadResponse(
    model="simulated:instant",
    phase=fleet_pb2.PHASE_HOT,
    role=fleet_pb2.ROLE_BOTH,
    lanes=[fleet_pb2.LaneLoad(lane=lane, slots=_SLOTS) for lane in ("sentiment", "chat")],
).SerializeToString()


class Instant(grpc.GenericRpcHandler):
    """Answers Classify and Reply, and what a balancer asks an instance."""

    def __init__(self, label_s: float, token_s: float) -> None:
        self._answers = {
            "/tidegate.v1.Instance/GetLoad": _handler(_FACTS, lambda request: 0.0),
            "/tidegate.v1.Sentiment/Classify": _handler(_LABEL, lambda request: label_s),
            "/tidegate.v1.Chat/Reply": _handler(
                _ANSWER, lambda request: token_s and token_s * _tokens(request)
            ),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Return the handler of a method; None for those that aren't answered."""
        return self._answers.get(handler_call_details.method)


def _handler(answer: bytes, takes_s: Callable[[bytes], float]) -> "grpc.RpcMethodHandler[Any, Any]":
    async def handle(request: bytes, context: object) -> bytes:
        wait_s = takes_s(request)
        if wait_s:
            await asyncio.sleep(wait_s)
        return answer

    return grpc.unary_unary_rpc_method_handler(handle)


def _tokens(request: bytes) -> int:
    return ReplyRequest.FromString(request).sampling.max_tokens


async def _serve(port: int, label_s: float = 0.0, token_s: float = 0.0) -> None:
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 10_000)])
    server.add_generic_rpc_handlers((Instant(label_s, token_s),))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for service in ("", "tidegate.v1.Sentiment", "tidegate.v1.Chat"):
        await servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), *map(float, sys.argv[2:])))

"""A model server without a model: real gRPC, answers when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tidegate.v1 import (
    chat_pb2,
    chat_pb2_grpc,
    fleet_pb2,
    instance_pb2,
    instance_pb2_grpc,
    sentiment_pb2,
    sentiment_pb2_grpc,
)

Context = grpc.aio.ServicerContext
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def refusal_trailers(code: grpc.StatusCode, reason: str) -> tuple[tuple[str, str | bytes], ...]:
    status = status_pb2.Status(code=code.value[0], message=reason)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="tidegate"))
    return (
        ("grpc-status-details-bin", status.SerializeToString()),
        ("grpc-retry-pushback-ms", "50"),
    )


class PlayedInstance:
    """Answers at once, or, between `hold()` and `release()`, when the test says so.

    `on_call` may end a call in its own way before it is answered.
    """

    def __init__(
        self,
        sentiment_slots: int = 4,
        chat_slots: int = 2,
        degraded_slots: int = 0,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._credentials = credentials
        self.slots = {
            "sentiment": sentiment_slots,
            "chat": chat_slots,
            "degraded": degraded_slots,
        }
        self.phase = fleet_pb2.PHASE_HOT
        self.role = fleet_pb2.ROLE_BOTH
        self.on_call: Callable[[Context], object] | None = None
        self.seen: list[dict[str, str | bytes]] = []
        self.remaining_s: list[float | None] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.answered = 0
        self.cancelled = 0
        self.profile_version = ""
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._health = health.aio.HealthServicer()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def id(self) -> str:
        return f"tidegate-127.0.0.1-{self.port}"

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def released(self) -> None:
        await self._open.wait()

    async def start(self, port: int = 0) -> "PlayedInstance":
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_metadata_size", 64 * 1024),
                ("grpc.absolute_max_metadata_size", 64 * 1024),
            ]
        )
        self._server.add_generic_rpc_handlers((_UnknownMethods(self),))
        sentiment_pb2_grpc.add_SentimentServicer_to_server(_Sentiment(self), self._server)
        chat_pb2_grpc.add_ChatServicer_to_server(_Chat(self), self._server)
        instance_pb2_grpc.add_InstanceServicer_to_server(_Load(self), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        await self._health.set("", SERVING)
        address = f"127.0.0.1:{port}"
        if self._credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, self._credentials)
        await self._server.start()
        return self

    async def say_health(self, status: int) -> None:
        await self._health.set("", status)

    async def stop(self, grace_s: float | None = None) -> None:
        await self._server.stop(grace_s)

    async def __aenter__(self) -> "PlayedInstance":
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        await self.stop()

    async def serve(self, context: Context) -> None:
        """Take one call up to the point where it is answered."""
        self.seen.append(dict(context.invocation_metadata() or ()))
        self.remaining_s.append(context.time_remaining())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.on_call is not None:
                ending = self.on_call(context)
                if ending is not None:
                    await ending
            await self._open.wait()
            self.answered += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1


class _Sentiment(sentiment_pb2_grpc.SentimentServicer):
    def __init__(self, instance: PlayedInstance) -> None:
        self._instance = instance

    async def Classify(self, request, context):  # noqa: N802
        await context.send_initial_metadata((("x-instance", self._instance.id),))
        await self._instance.serve(context)
        if not request.text:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "text: '' is blank",
                (("x-mistake", "text"), ("x-mistake-bin", b"\x00\xff")),
            )
        context.set_trailing_metadata((("x-trailer", "one"), ("x-trailer", "two")))
        return sentiment_pb2.ClassifyResponse(
            label=request.text,
            profile="sentiment" if self._instance.profile_version else "",
            profile_version=self._instance.profile_version,
            model=self._instance.id,
        )

    async def ClassifyStream(  # noqa: N802
        self,
        request_iterator: AsyncIterator[sentiment_pb2.ClassifyStreamRequest],
        context: Context,
    ) -> AsyncIterator[sentiment_pb2.ClassifyStreamResponse]:
        await self._instance.serve(context)
        async for item in request_iterator:
            yield sentiment_pb2.ClassifyStreamResponse(item_id=item.item_id)


class _Chat(chat_pb2_grpc.ChatServicer):
    def __init__(self, instance: PlayedInstance) -> None:
        self._instance = instance

    async def Reply(self, request, context):  # noqa: N802
        if ("tidegate-mode", "degraded") in tuple(context.invocation_metadata() or ()):
            context.set_trailing_metadata((("tidegate-degraded", "true"),))
            return chat_pb2.ReplyResponse(text=request.text, degraded=True)
        await self._instance.serve(context)
        return chat_pb2.ReplyResponse(text=request.text, model=self._instance.id)

    async def StreamReply(  # noqa: N802
        self, request: chat_pb2.StreamReplyRequest, context: Context
    ) -> AsyncIterator[chat_pb2.StreamReplyResponse]:
        """The first word comes at once; the others wait for `release`."""
        if self._instance.on_call is not None:
            await self._instance.serve(context)
        words = request.text.split(" ")
        yield chat_pb2.StreamReplyResponse(delta=words[0])
        if self._instance.on_call is None:
            await self._instance.serve(context)
        for word in words[1:]:
            yield chat_pb2.StreamReplyResponse(delta=word)
        yield chat_pb2.StreamReplyResponse(end=chat_pb2.ReplyEnd(model=self._instance.id))

    async def JudgeAndReply(  # noqa: N802
        self, request: chat_pb2.JudgeAndReplyRequest, context: Context
    ) -> AsyncIterator[chat_pb2.JudgeAndReplyResponse]:
        await self._instance.serve(context)
        yield chat_pb2.JudgeAndReplyResponse(
            sentiment=sentiment_pb2.ClassifyResponse(label="positive")
        )
        yield chat_pb2.JudgeAndReplyResponse(end=chat_pb2.ReplyEnd(model=self._instance.id))


class _Load(instance_pb2_grpc.InstanceServicer):
    def __init__(self, instance: PlayedInstance) -> None:
        self._instance = instance

    async def GetLoad(self, request, context):  # noqa: N802
        instance = self._instance
        return instance_pb2.GetLoadResponse(
            model="played",
            phase=instance.phase,
            role=instance.role,
            lanes=[
                fleet_pb2.LaneLoad(lane=lane, slots=slots) for lane, slots in instance.slots.items()
            ],
        )


class _UnknownMethods(grpc.GenericRpcHandler):
    """A method that the contract doesn't have: echoes every message, then says how many."""

    def __init__(self, instance: PlayedInstance) -> None:
        self._instance = instance

    def service(self, handler_call_details):
        if handler_call_details.method != "/tidegate.v1.Chat/Translate":
            return None
        return grpc.stream_stream_rpc_method_handler(self._echo)

    async def _echo(self, requests, context):
        await self._instance.serve(context)
        count = 0
        async for request in requests:
            count += 1
            yield request
        context.set_trailing_metadata((("x-count", str(count)),))

"""A door before methods of every shape."""

from collections.abc import AsyncIterator

import grpc
import pytest

from tidegate.identity.denial import Denial, DeniedError
from tidegate.identity.door import Door
from tidegate.identity.why import Why


class Methods(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self.called: list[str] = []
        self._kept = {
            "/t/unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "/t/written": grpc.unary_stream_rpc_method_handler(self._written),
            "/t/yielded": grpc.unary_stream_rpc_method_handler(self._yielded),
            "/t/collect": grpc.stream_unary_rpc_method_handler(self._collect),
        }

    def service(self, handler_call_details):
        path = handler_call_details.method
        if path.startswith("/made-up/"):
            return grpc.stream_stream_rpc_method_handler(self._echo)
        return self._kept.get(path)

    async def _unary(self, request, context) -> bytes:
        self.called.append("unary")
        return request

    async def _written(self, request, context) -> None:
        self.called.append("written")
        await context.write(request)

    async def _yielded(self, request, context) -> AsyncIterator[bytes]:
        self.called.append("yielded")
        yield request

    async def _collect(self, requests, context) -> bytes:
        self.called.append("collect")
        return b"".join([each async for each in requests])

    async def _echo(self, requests, context) -> None:
        self.called.append("echo")
        while isinstance(message := await context.read(), bytes):
            await context.write(message)


def admit(path: str, context, message):
    if ("let-me", "in") not in tuple(context.invocation_metadata()):
        raise DeniedError(Denial(Why.NO_CREDENTIALS, "no", 1.5))
    return context


async def every_shape(channel: grpc.aio.Channel, metadata) -> list[object]:
    shapes = [
        channel.unary_unary("/t/unary")(b"x", metadata=metadata),
        channel.unary_stream("/t/written")(b"x", metadata=metadata),
        channel.unary_stream("/t/yielded")(b"x", metadata=metadata),
        channel.stream_unary("/t/collect")(iter([b"x"]), metadata=metadata),
        channel.stream_stream("/made-up/one")(iter([b"x"]), metadata=metadata),
    ]
    return [await end_of(call) for call in shapes]


async def end_of(call) -> object:
    try:
        return await call if hasattr(call, "__await__") else await call.read()
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata())
        return error.code(), trailers["grpc-retry-pushback-ms"], trailers["retry-after"]


@pytest.fixture
async def opened():
    methods = Methods()
    door = Door(methods, admit)
    server = grpc.aio.server(handlers=[door])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, methods, door
    await server.stop(None)


async def test_methods_of_every_shape_answer_who_is_let_in_and_are_not_called_for_others(opened):
    channel, methods, _ = opened
    refused = await every_shape(channel, ())
    assert refused == [(grpc.StatusCode.UNAUTHENTICATED, "1500", "2")] * 5
    assert methods.called == []
    assert await every_shape(channel, (("let-me", "in"),)) == [b"x"] * 5
    assert sorted(methods.called) == ["collect", "echo", "unary", "written", "yielded"]


async def test_a_method_that_is_not_there_is_not_there_behind_a_door(opened):
    channel, _, _ = opened
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/t/none")(b"x")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_names_of_methods_that_callers_make_up_are_not_kept_without_end():
    door = Door(Methods(), admit)
    for number in range(1000):
        details = type("Details", (), {"method": f"/made-up/{number}"})
        assert door.service(details) is not None
    assert len(door._kept) == 256

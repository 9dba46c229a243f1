"""What a port lets in, over real sockets."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from support.attackers.connection import Connection, connect
from support.frames import PREFACE, settings
from support.waiting import eventually

from tidegate.limits.port import port_options
from tidegate.limits.settings import LimitSettings


class Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._echo)

    async def _echo(self, request, context) -> bytes:
        await asyncio.sleep(0.02)
        return request


@asynccontextmanager
async def listening(**limits: float) -> AsyncIterator[int]:
    options = (*port_options(LimitSettings(**limits)), ("grpc.so_reuseport", 0))
    server = grpc.aio.server(handlers=[Echo()], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


def channel_to(port: int) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)


async def code_of(call: grpc.aio.UnaryUnaryCall) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def silent(port: int, greeting: bytes) -> Connection:
    made = await connect(port, Counter(), greeting)
    assert made is not None
    return made


async def test_messages_and_metadata_are_taken_up_to_their_limits():
    async with (
        listening(message_bytes=2000, metadata_bytes=4096) as port,
        channel_to(port) as channel,
    ):
        ask = channel.unary_unary("/t/echo")
        ok, too_much = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await code_of(ask(b"x" * 2000)) is ok
        assert await code_of(ask(b"x" * 2001)) is too_much
        assert await code_of(ask(b"", metadata=(("k", "v" * 3000),))) is ok
        assert await code_of(ask(b"", metadata=(("k", "v" * 5000),))) is too_much


async def test_one_connection_too_many_is_closed_and_the_others_go_on():
    async with listening(connections=3) as port, channel_to(port) as channel:
        ask = channel.unary_unary("/t/echo")
        assert await ask(b"x") == b"x"
        held = [await silent(port, PREFACE + settings()) for _ in range(5)]
        await eventually(lambda: sum(each.is_open for each in held) == 2)
        assert await ask(b"x") == b"x"


@pytest.mark.parametrize("greeting", [b"", PREFACE[:7], PREFACE])
async def test_a_connection_has_to_come_about_in_time(greeting: bytes):
    async with listening(handshake_s=0.5) as port:
        held = await silent(port, greeting)
        await eventually(lambda: not held.is_open)


async def test_a_connection_without_calls_is_closed():
    async with listening(idle_s=1.0) as port:
        held = await silent(port, PREFACE + settings())
        await eventually(lambda: not held.is_open)


async def test_connections_age_and_no_call_is_lost_by_it():
    async with listening(age_s=1.0, age_grace_s=5.0) as port, channel_to(port) as channel:
        ask = channel.unary_unary("/t/echo")
        codes: Counter[grpc.StatusCode] = Counter()
        old = await silent(port, PREFACE + settings())

        async def call_again_and_again() -> None:
            end_s = time.monotonic() + 4
            while time.monotonic() < end_s:
                codes[await code_of(ask(b"x"))] += 1

        await asyncio.gather(*(call_again_and_again() for _ in range(8)))
        assert not old.is_open
        assert list(codes) == [grpc.StatusCode.OK]
        assert codes[grpc.StatusCode.OK] > 400

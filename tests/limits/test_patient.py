"""Callers who keep their own calls waiting, over real sockets."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.attackers.connection import Connection, connect
from support.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    frame,
    headers_of,
    settings,
)
from support.waiting import eventually

from tidegate.limits.hang_up import CallTask
from tidegate.limits.patient import Patient
from tidegate.limits.settings import LimitSettings
from tidegate.limits.watch import WANTED, StallWatch

STALL_S = 1.0
SOON_S = 3 * STALL_S
CLOSED = PREFACE + settings(window=0)


class Methods(grpc.GenericRpcHandler):
    """One of each shape. `slow` is set when a late answer may come."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()
        self.entered: Counter[str] = Counter()
        self._kept = {
            "/t/unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "/t/written": grpc.unary_stream_rpc_method_handler(self._written),
            "/t/yielded": grpc.unary_stream_rpc_method_handler(self._yielded),
            "/t/echo": grpc.stream_stream_rpc_method_handler(self._echo),
            "/t/collect": grpc.stream_unary_rpc_method_handler(self._collect),
        }

    def service(self, handler_call_details):
        return self._kept.get(handler_call_details.method)

    async def _unary(self, request, context) -> bytes:
        self.entered["unary"] += 1
        return b"answer"

    async def _written(self, request, context) -> None:
        self.entered["written"] += 1
        for _ in range(3):
            await context.write(b"x" * 100)

    async def _yielded(self, request, context) -> AsyncIterator[bytes]:
        self.entered["yielded"] += 1
        for _ in range(3):
            yield b"x" * 100

    async def _echo(self, requests, context) -> None:
        self.entered["echo"] += 1
        async for message in requests:
            if message == b"slowly":
                await self.slow.wait()
            await context.write(message)

    async def _collect(self, requests, context) -> bytes:
        self.entered["collect"] += 1
        return b"".join([each async for each in requests])


@dataclass
class Served:
    port: int
    methods: Methods
    channel: grpc.aio.Channel
    stalled: list[float] = field(default_factory=list)
    is_wanted: bool = False
    deeds: Counter[str] = field(default_factory=Counter)

    async def attacker(self, greeting: bytes = PREFACE + settings()) -> Connection:
        made = await connect(self.port, self.deeds, greeting)
        assert made is not None
        return made

    async def calls_left(self) -> int:
        """Calls that the server still knows, after one that pushes out what gRPC holds of the last."""
        await self.channel.unary_unary("/t/unary")(b"")
        return sum(isinstance(task, CallTask) for task in asyncio.all_tasks())

    async def forgets(self, attacker: Connection, *, stalls: int) -> None:
        """Check that the attacker's calls end in time, and nothing of them is left."""

        async def is_so() -> bool:
            return not await self.calls_left() and not attacker.open_streams

        end_s = time.monotonic() + SOON_S
        while not await is_so():
            assert time.monotonic() < end_s, (attacker.open_streams, self.deeds)
            await asyncio.sleep(0.05)
        assert len(self.stalled) == stalls


@asynccontextmanager
async def served(
    most: int = 100, wants: Callable[[str], bool] | None = None
) -> AsyncIterator[Served]:
    methods = Methods()
    limits = LimitSettings(stall_s=STALL_S, stalled_calls=most)
    stalled: list[float] = []
    watch = StallWatch(limits, lambda: stalled.append(time.monotonic()))
    wanted = wants or (lambda _: it.is_wanted)
    server = grpc.aio.server(handlers=[Patient(methods, watch, wanted)])
    port = server.add_insecure_port("127.0.0.1:0")
    watch.start()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        it = Served(port, methods, channel, stalled)
        # gRPC holds on to the very first call of a server.
        await channel.unary_unary("/t/unary")(b"")
        yield it
    await server.stop(0)
    await watch.stop()


@pytest.mark.parametrize("path", ["/t/unary", "/t/written", "/t/yielded", "/t/echo", "/t/collect"])
async def test_a_call_whose_message_never_comes_ends(path: str) -> None:
    async with served() as it:
        attacker = await it.attacker()
        attacker.call(path)
        await it.forgets(attacker, stalls=1)


async def test_half_a_message_is_none() -> None:
    async with served() as it:
        attacker = await it.attacker()
        stream = attacker.call("/t/unary")
        attacker.write(frame(DATA, 0, stream, b"\0\0\0\0\x09half"))
        await it.forgets(attacker, stalls=1)
        assert it.methods.entered["unary"] > 0


async def test_a_caller_that_ends_without_a_message_is_not_waited_for_for_ever() -> None:
    async with served() as it:
        attacker = await it.attacker()
        stream = attacker.new_stream()
        attacker.open_streams.add(stream)
        head = headers_of("/t/unary")
        attacker.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, head))
        await it.forgets(attacker, stalls=1)


@pytest.mark.parametrize("path", ["/t/unary", "/t/written", "/t/yielded"])
async def test_an_answer_that_is_not_taken_ends_the_call(path: str) -> None:
    async with served() as it:
        attacker = await it.attacker(CLOSED)
        attacker.call(path, b"", ends=True)
        await it.forgets(attacker, stalls=1)


async def test_when_too_many_wait_the_oldest_goes() -> None:
    async with served(most=5) as it:
        attacker = await it.attacker()
        for _ in range(5):
            attacker.call("/t/unary")
        await asyncio.sleep(0.3)
        began_s = time.monotonic()
        attacker.call("/t/unary")
        await eventually(lambda: len(it.stalled) == 1)
        await it.channel.unary_unary("/t/unary")(b"")
        await eventually(lambda: 1 not in attacker.open_streams)
        assert time.monotonic() - began_s < STALL_S / 2


async def test_others_are_answered_meanwhile() -> None:
    async with served(most=5) as it:
        attacker = await it.attacker()
        for _ in range(50):
            attacker.call("/t/unary")
        ask = it.channel.unary_unary("/t/unary")
        answers = await asyncio.gather(*(ask(b"") for _ in range(50)))
        assert answers == [b"answer"] * 50


async def test_a_silent_stream_is_told_to_come_again_and_keeps_what_it_got() -> None:
    async with served() as it:
        call = it.channel.stream_stream("/t/echo")()
        await call.write(b"one")
        assert await call.read() == b"one"
        began_s = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert STALL_S * 0.8 < time.monotonic() - began_s < SOON_S
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = dict(caught.value.trailing_metadata() or ())
        info = error_details_pb2.ErrorInfo()
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert any(each.Unpack(info) for each in status.details)
        assert info.reason == "STALLED"
        assert "limits.stall_s" in (caught.value.details() or "")
        assert len(it.stalled) == 1


async def test_a_stream_is_given_less_time_when_others_want_its_slot() -> None:
    async with served() as it:
        it.is_wanted = True
        call = it.channel.stream_stream("/t/echo")()
        await call.write(b"one")
        assert await call.read() == b"one"
        began_s = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        assert time.monotonic() - began_s < STALL_S * WANTED + 0.6


async def test_a_stream_that_waits_for_its_answer_is_not_silent() -> None:
    async with served() as it:
        call = it.channel.stream_stream("/t/echo")()
        await call.write(b"slowly")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                asyncio.shield(reading := asyncio.ensure_future(call.read())), 2 * STALL_S
            )
        it.methods.slow.set()
        assert await reading == b"slowly"
        await call.write(b"two")
        assert await call.read() == b"two"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        assert it.stalled == []


async def test_every_shape_works_as_without() -> None:
    async with served() as it:
        channel = it.channel
        assert await channel.unary_unary("/t/unary")(b"") == b"answer"
        for path in ("/t/written", "/t/yielded"):
            assert len([each async for each in channel.unary_stream(path)(b"")]) == 3
        collect = channel.stream_unary("/t/collect")
        assert await collect(iter([b"a", b"b"])) == b"ab"
        assert await it.calls_left() == 0
        assert it.stalled == []

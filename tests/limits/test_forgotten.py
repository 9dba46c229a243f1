"""What gRPC forgets of operations that nobody waits for any more, over real sockets."""

import asyncio
import contextlib
import ctypes
import gc
from collections import Counter

import grpc
import pytest
from support.attackers.connection import Connection, connect
from support.frames import PREFACE, reset, settings
from support.waiting import eventually

from tidegate.limits import forgotten
from tidegate.limits.forgotten import free_operation
from tidegate.limits.hang_up import CallTask
from tidegate.limits.patient import Patient
from tidegate.limits.settings import LimitSettings
from tidegate.limits.watch import StallWatch

CALLS, AT_ONCE = 4000, 200
PATH = "/t/unary"


class Methods(grpc.GenericRpcHandler):
    """One, whose message never comes."""

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._unary)

    async def _unary(self, request, context) -> bytes:
        return b""


@contextlib.asynccontextmanager
async def served(stalled: list[None]):
    """A server, and a connection to it that has said hello; of its calls 1 may be stalled for longer than a tenth of a second."""
    watch = StallWatch(LimitSettings(stalled_calls=1), lambda: stalled.append(None))
    watch.start()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Patient(Methods(), watch),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    it = await connect(port, Counter(), PREFACE + settings())
    try:
        yield it
    finally:
        await it.leave()
        await server.stop(0)
        await watch.stop()


async def hung_up(it: Connection, stalled: list[None]) -> None:
    """Begin calls until so many were ended for them."""
    until = len(stalled) + CALLS
    while len(stalled) < until:
        for _ in range(AT_ONCE):
            it.call(PATH)
        await asyncio.sleep(0.11)
    for stream in it.open_streams:
        it.write(reset(stream))
    await asyncio.sleep(0.5)


async def left(it: Connection, _: list[None]) -> None:
    """Begin calls, and leave each as soon as it is there."""
    for _ in range(CALLS // AT_ONCE):
        streams = [it.call(PATH) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.02)
        for stream in streams:
            it.write(reset(stream))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("story", [hung_up, left], ids=["ended here", "left by their callers"])
async def test_a_call_that_ends_before_its_message_leaves_nothing_behind(story):
    stalled: list[None] = []
    async with served(stalled) as it:
        await story(it, stalled)
        await eventually(nobody_calls, within_s=30)
        before = in_use_bytes()
        await story(it, stalled)
        await story(it, stalled)
        await eventually(nobody_calls, within_s=30)
        # Each forgotten array is 96 of them, and there are two for a call that is ended here; what else there is goes in its time.
        await eventually(lambda: in_use_bytes() - before < 80 * 2 * CALLS, within_s=30)


async def test_a_task_that_waits_for_something_else_is_left_alone():
    async def wait() -> None:
        await asyncio.sleep(10)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    assert free_operation(task) is False
    task.cancel()


async def test_where_grpc_is_not_known_nothing_is_touched(monkeypatch):
    monkeypatch.setattr(forgotten, "_is_known", False)
    tasks: list[asyncio.Task[object]] = []
    monkeypatch.setattr(
        "tidegate.limits.hang_up.free_operation", lambda task: tasks.append(task) or False
    )
    stalled: list[None] = []
    async with served(stalled) as it:
        it.call(PATH)
        await asyncio.sleep(0.2)
        it.call(PATH)
        await eventually(lambda: len(tasks) > 0)
        assert free_operation(tasks[0]) is False


def nobody_calls() -> bool:
    """Whether no call is under way at the server, whose last one may be kept by gRPC."""
    return sum(isinstance(each, CallTask) for each in asyncio.all_tasks()) <= 1


class MallInfo(ctypes.Structure):
    """What glibc's mallinfo2 gives; Python's own small objects are not in it."""

    _fields_ = [(f"field{number}", ctypes.c_size_t) for number in range(10)]


def in_use_bytes() -> int:
    """What malloc has given out and not got back."""
    gc.collect()
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        pytest.skip("no mallinfo2: what C has in use isn't known")
    mallinfo.restype = MallInfo
    return mallinfo().field7

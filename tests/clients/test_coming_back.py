"""Who was told to come back finds the room that was kept for it: real callers, a real balancer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio
from support.gateway import asking, running_gateway
from support.instances import PlayedInstance
from support.sidecars import Front, front_of
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.clients import AsyncClient, Client
from tidegate.v1 import chat_pb2

ROOM = 10


@dataclass
class Crowded:
    """A balancer whose chat lane is full, before an instance that holds its answers back."""

    front: Front
    instance: PlayedInstance
    crowd: list[grpc.aio.UnaryUnaryCall]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.front.sidecar.port}"

    @property
    def shed(self) -> int:
        return self.front.tally(Lane.CHAT).shed

    @property
    def waiting(self) -> int:
        return self.front.sidecar.pool.backlog(Lane.CHAT, 0.0).depth


@pytest_asyncio.fixture
async def crowded() -> AsyncIterator[Crowded]:
    async with (
        PlayedInstance(chat_slots=1) as instance,
        front_of([instance], chat_queue_limit=ROOM, slow_start_s=0) as front,
    ):
        # How long a call takes is known by then, and hints are short.
        for _ in range(3):
            await front.chat.Reply(chat_pb2.ReplyRequest(text="quick"))
        instance.hold()
        said = (("tidegate-caller", "crowd"),)
        crowd = [
            front.chat.Reply(chat_pb2.ReplyRequest(text=str(number)), metadata=said)
            for number in range(ROOM + 1)
        ]
        it = Crowded(front, instance, crowd)
        await eventually(lambda: it.waiting == ROOM)
        yield it
        for call in crowd:
            call.cancel()


async def reply(address: str) -> None:
    async with AsyncClient(address, caller="shop", timeout_s=20) as client:
        await client.reply("hello")


async def stream_reply(address: str) -> None:
    async with (
        AsyncClient(address, caller="shop", timeout_s=20) as client,
        aclosing(client.stream_reply("hello")) as events,
    ):
        assert [event async for event in events]


async def blocking_reply(address: str) -> None:
    def use() -> None:
        with Client(address, caller="shop", timeout_s=20) as client:
            client.reply("hello")

    await asyncio.to_thread(use)


async def blocking_stream_reply(address: str) -> None:
    def use() -> None:
        with (
            Client(address, caller="shop", timeout_s=20) as client,
            closing(client.stream_reply("hello")) as events,
        ):
            assert list(events)

    await asyncio.to_thread(use)


async def page(address: str) -> None:
    async with running_gateway(address) as web:
        ((name, refusal),) = await web.judged(asking())
        assert (name, refusal["reason"]) == ("error", "QUEUE_FULL")
        await asyncio.sleep(refusal["retry_after_s"])
        events = await web.judged(asking(attempt=1))
        assert [name for name, _ in events][-1] == "end"


@pytest.mark.parametrize("call", [reply, stream_reply, blocking_reply, blocking_stream_reply, page])
async def test_a_caller_that_comes_back_as_told_is_let_in_where_a_first_try_is_not(
    crowded: Crowded, call: Callable[[str], Awaitable[None]]
) -> None:
    calling = asyncio.ensure_future(call(crowded.address))
    await eventually(lambda: crowded.shed == 1)
    # One place comes free: it is for who was told to come back.
    crowded.crowd[-1].cancel()
    await eventually(lambda: crowded.waiting == ROOM - 1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await crowded.front.chat.Reply(chat_pb2.ReplyRequest(text="first try"))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await eventually(lambda: crowded.waiting == ROOM)
    assert crowded.shed == 2
    crowded.instance.release()
    await asyncio.wait_for(calling, 10)
    # How often it was sent is between the caller and the balancer.
    assert not any("attempts" in key for seen in crowded.instance.seen for key in seen)

"""Those who do nothing wrong: how long they wait for their labels while something else goes on."""

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

import grpc

from tidegate.v1 import sentiment_pb2, sentiment_pb2_grpc

RATE = 60.0
CALLERS = 4
TIMEOUT_S = 5.0


@dataclass
class Waits:
    """How long labels took, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} labels, p50 {self.share(0.5) * 1000:.0f} ms, "
            f"p99 {self.p99_s * 1000:.0f} ms, slowest {self.share(1) * 1000:.0f} ms, {len(self.failures)} failed"
        )

    def share(self, of: float) -> float:
        """What this share of them took at most."""
        there = sorted(self.seconds)
        return there[min(int(of * len(there)), len(there) - 1)] if there else float("inf")

    @property
    def p99_s(self) -> float:
        return self.share(0.99)


class Others:
    """Some callers with connections of their own, who come when they come, whatever became of those before."""

    def __init__(self, port: int, credentials: grpc.ChannelCredentials | None = None) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        address = f"127.0.0.1:{port}"
        self._channels = [
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
            for _ in range(CALLERS)
        ]
        self._stubs = [sentiment_pb2_grpc.SentimentStub(each) for each in self._channels]
        self._chance = random.Random(1)
        self._count = 0

    async def __aenter__(self) -> "Others":
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._channels:
            await each.close()

    async def meanwhile(self, what: Awaitable[object]) -> Waits:
        """Call until `what` is over, and wait for the last answers."""
        waits, calls = Waits(), set[asyncio.Task[None]]()
        story, due_s = asyncio.ensure_future(what), time.monotonic()
        while not story.done():
            due_s += self._chance.expovariate(RATE)
            await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
            call = asyncio.ensure_future(self._label(waits))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
        await story
        return waits

    async def for_s(self, seconds: float) -> Waits:
        return await self.meanwhile(asyncio.sleep(seconds))

    async def _label(self, waits: Waits) -> None:
        self._count += 1
        number = self._count % CALLERS
        text = f"第{self._count}条评论：今天很开心"
        began_s = time.monotonic()
        try:
            await self._stubs[number].Classify(
                sentiment_pb2.ClassifyRequest(text=text),
                timeout=TIMEOUT_S,
                metadata=(("tidegate-caller", f"other-{number}"),),
            )
        except grpc.aio.AioRpcError as error:
            waits.failures.append(f"{error.code().name}: {error.details()}")
        waits.seconds.append(time.monotonic() - began_s)

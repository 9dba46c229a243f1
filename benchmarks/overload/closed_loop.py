"""Measures what a fleet gives at most: every chat slot of every instance is always taken.

Nothing stands between, and nothing is held back for anybody: this is what 100 % means elsewhere.
"""

import asyncio
from random import Random

import grpc

from benchmarks.engine.texts import Texts
from benchmarks.overload.fleet import Fleet
from benchmarks.overload.scenario import Scale
from tidegate.v1.chat_pb2 import ReplyRequest, Sampling
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

_LABELS_PER_S = 20.0


def saturate(fleet: Fleet, scale: Scale, reply_tokens: float) -> tuple[float, float]:
    """Return chats and tokens a second, with labels beside them as in every scenario."""
    return asyncio.run(_saturate(fleet, scale, reply_tokens))


async def _saturate(fleet: Fleet, scale: Scale, reply_tokens: float) -> tuple[float, float]:
    loop, texts, rng = asyncio.get_running_loop(), Texts(9), Random(9)
    begin_s = loop.time() + scale.warm_up_s / 4
    end_s = begin_s + (scale.duration_s - scale.warm_up_s)
    done: list[int] = []

    async def chat(channel: grpc.aio.Channel) -> None:
        while loop.time() < end_s:
            tokens = max(1, round(rng.gammavariate(4.0, reply_tokens / 4.0)))
            sampling = Sampling(max_tokens=tokens)
            try:
                await ChatStub(channel).Reply(ReplyRequest(text=texts.one(30), sampling=sampling))
            except grpc.aio.AioRpcError:
                # Its slot comes back with the trailers of the one before.
                await asyncio.sleep(0.005)
                continue
            if begin_s <= loop.time() <= end_s:
                done.append(tokens)

    async def labels(channel: grpc.aio.Channel) -> None:
        while loop.time() < end_s:
            asking = SentimentStub(channel).Classify(ClassifyRequest(text=texts.one(30)))
            await asyncio.sleep(len(fleet.ports) / _LABELS_PER_S)
            await asking

    channels = [grpc.aio.insecure_channel(address) for address in fleet.addresses]
    await asyncio.gather(
        *(chat(channel) for channel in channels for _ in range(fleet.size.chat_slots)),
        *(labels(channel) for channel in channels),
    )
    await asyncio.gather(*(channel.close() for channel in channels))
    return len(done) / (end_s - begin_s), sum(done) / (end_s - begin_s)

"""One caller with the largest texts that are accepted, as fast as they are taken: labels and chats, alone and in streams."""

import asyncio
import random
from itertools import count

import grpc
from support.attackers.aim import HOST, Aim, Deeds

from tidegate.v1 import chat_pb2, sentiment_pb2

CHARACTERS = 32_768
AT_ONCE = 24
_MINE = (("tidegate-caller", "greedy"),)
_PAUSE_S = 0.02
"""After a refusal: it comes back fifty times a second, whatever it was told."""


def _text(number: int) -> str:
    chance = random.Random(number % 16)
    said = "".join(chance.choices("今天的实验终于成功了太棒我很失望。，", k=CHARACTERS - 20))
    return f"第{number:06}条{said}"


async def flood(aim: Aim, deeds: Deeds) -> None:
    """At the balancer, by one connection of each kind."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    numbers = count()
    async with (
        grpc.aio.insecure_channel(f"{HOST}:{aim.front}", options) as one,
        grpc.aio.insecure_channel(f"{HOST}:{aim.front}", options) as other,
    ):
        classify = one.unary_unary("/tidegate.v1.Sentiment/Classify")
        bulk = one.stream_stream("/tidegate.v1.Sentiment/ClassifyStream")
        reply = other.unary_unary("/tidegate.v1.Chat/Reply")
        talk = other.unary_stream("/tidegate.v1.Chat/JudgeAndReply")
        texts = [_text(number) for number in range(16)]
        labels = [sentiment_pb2.ClassifyRequest(text=text).SerializeToString() for text in texts]
        chats = [chat_pb2.ReplyRequest(text=text).SerializeToString() for text in texts]
        items = [
            sentiment_pb2.ClassifyStreamRequest(
                item_id="1", request=sentiment_pb2.ClassifyRequest(text=text)
            ).SerializeToString()
            for text in texts
        ]

        async def label() -> None:
            await classify(labels[next(numbers) % 16], timeout=20, metadata=_MINE)

        async def say() -> None:
            await reply(chats[next(numbers) % 16], timeout=60, metadata=_MINE)

        async def listen() -> None:
            async for _ in talk(chats[next(numbers) % 16], timeout=60, metadata=_MINE):
                pass

        async def stream() -> None:
            call = bulk(metadata=_MINE)

            async def send() -> None:
                while True:
                    await call.write(items[next(numbers) % 16])

            sending = asyncio.ensure_future(send())
            try:
                async for _ in call:
                    deeds["items"] += 1
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

        async def again(act) -> None:
            while True:
                deeds["calls"] += 1
                try:
                    await act()
                    deeds["calls answered"] += 1
                except grpc.aio.AioRpcError as error:
                    deeds[error.code().name] += 1
                    await asyncio.sleep(_PAUSE_S)

        await asyncio.gather(
            *(again(label) for _ in range(AT_ONCE)),
            *(again(say) for _ in range(AT_ONCE // 2)),
            *(again(listen) for _ in range(AT_ONCE // 2)),
            *(again(stream) for _ in range(AT_ONCE // 6)),
        )

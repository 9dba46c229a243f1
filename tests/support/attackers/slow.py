"""Callers who ask and never take the answer, and such as speak a byte now and then."""

import asyncio

from support.attackers.aim import Aim, Deeds
from support.attackers.connection import Connection
from support.attackers.half_open import CLASSIFY, STREAM
from support.attackers.siege import besiege
from support.frames import DATA, PREFACE, Header, frame, message, settings

from tidegate.v1 import chat_pb2, sentiment_pb2

_GOOD = sentiment_pb2.ClassifyRequest(text="没有人来拿这个答案")
_ITEM = sentiment_pb2.ClassifyStreamRequest(item_id="i" * 256, request=_GOOD).SerializeToString()
_TALK = chat_pb2.StreamReplyRequest(text="请说很多话").SerializeToString()
_MINE: Header = (b"tidegate-caller", b"slow")

_ASKED = (
    (CLASSIFY, _GOOD.SerializeToString()),
    ("/tidegate.v1.Chat/StreamReply", _TALK),
    ("/tidegate.v1.Chat/JudgeAndReply", _TALK),
    ("/tidegate.v1.Chat/Reply", _TALK),
    (STREAM, _ITEM),
    ("/tidegate.v1.Fleet/GetStatus", b""),
    ("/tidegate.v1.Fleet/WatchStatus", b""),
    ("/tidegate.v1.Instance/GetLoad", b""),
    ("/tidegate.v1.Sentiment/ListProfiles", b""),
    ("/grpc.health.v1.Health/Watch", b""),
    ("/grpc.health.v1.Health/Check", b""),
)
CALLS = 300


def _ask(it: Connection) -> None:
    path, content = _ASKED[it.deeds["streams"] % len(_ASKED)]
    it.call(path, content, _MINE, ends=path != STREAM)


def _ask_for_much(it: Connection) -> None:
    """A bulk, as much as the window of a new connection takes, and one who watches."""
    stream = it.call(STREAM, _ITEM, _MINE)
    for _ in range(20):
        it.write(frame(DATA, 0, stream, message(_ITEM)))


async def no_window(aim: Aim, deeds: Deeds) -> None:
    """Answers for which there is no room: the window is zero and stays so."""
    closed = PREFACE + settings(window=0)
    await asyncio.gather(
        *(besiege(port, deeds, 15, CALLS, _ask, closed) for port in aim.grpc),
        *(besiege(port, deeds, 5, 50, _ask_for_much, closed) for port in aim.grpc),
    )


async def no_reading(aim: Aim, deeds: Deeds) -> None:
    """Answers that stay in the socket."""
    await asyncio.gather(
        *(besiege(port, deeds, 15, CALLS, _ask, reads=False) for port in aim.grpc),
        *(besiege(port, deeds, 5, 50, _ask_for_much, reads=False) for port in aim.grpc),
    )


async def drips(aim: Aim, deeds: Deeds) -> None:
    """Messages that come by the byte: each of 400 calls says one every half second."""
    said = message(_GOOD.SerializeToString() * 40)
    calls: list[tuple[Connection, int, list[int]]] = []

    def begin(it: Connection) -> None:
        path = (CLASSIFY, STREAM)[it.deeds["streams"] % 2]
        calls.append((it, it.call(path, None, _MINE), [0]))

    async def drip() -> None:
        while True:
            await asyncio.sleep(0.5)
            calls[:] = [each for each in calls if each[1] in each[0].open_streams]
            for it, stream, place in calls:
                at = place[0] % len(said)
                it.write(frame(DATA, 0, stream, said[at : at + 1]))
                place[0] += 1

    await asyncio.gather(drip(), *(besiege(port, deeds, 10, 200, begin) for port in aim.grpc))

"""What no port expects: random bytes, other protocols, HTTP/1 that is never finished."""

import asyncio
import random
from collections.abc import Callable

from support.attackers.aim import Aim, Deeds
from support.attackers.connection import connect
from support.attackers.siege import besiege
from support.frames import PREFACE, frame, settings

_EACH_S = 20
_GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"


def _noise(chance: random.Random) -> bytes:
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randrange(1, 5000))
        case 1:
            # Frames of any kind with anything in them.
            frames = b"".join(
                frame(
                    *(chance.randrange(12), chance.randrange(256), chance.randrange(8)),
                    chance.randbytes(chance.randrange(200)),
                )
                for _ in range(20)
            )
            return PREFACE + settings() + frames
        case 2:
            return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + chance.randbytes(300) + b"\r\n\r\n"
        case 3:
            # As TLS begins.
            return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(505)
        case 4:
            return b"POST /api/judge HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n" + (
                chance.randbytes(100)
            )
        case _:
            return b"GET /" + b"A" * 100_000 + b" HTTP/1.1\r\n" + b"B: c\r\n" * 1000 + b"\r\n"


async def noise(aim: Aim, deeds: Deeds) -> None:
    """Random bytes at every port, 20 connections a second each."""
    chance = random.Random(7)

    async def at(port: int) -> None:
        while True:
            it = await connect(port, deeds, _noise(chance))
            await asyncio.sleep(1 / _EACH_S)
            if it is not None:
                it.connection_lost(None)

    await asyncio.gather(*(at(port) for port in aim.every))


async def loris(aim: Aim, deeds: Deeds) -> None:
    """200 connections at each port of HTTP/1 that say a header a second, and 100 with a body that trickles in."""
    body = (
        b"POST /api/judge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10000\r\n\r\n{"
    )
    await asyncio.gather(
        *(_trickle(port, deeds, 200, _GET, lambda: b"X-More: 1\r\n") for port in aim.http),
        *(_trickle(port, deeds, 100, body, lambda: b" ") for port in aim.http),
    )


async def _trickle(
    port: int, deeds: Deeds, connections: int, start: bytes, more: Callable[[], bytes]
) -> None:
    held = [await connect(port, deeds, start) for _ in range(connections)]
    while True:
        await asyncio.sleep(1.0)
        for it in held:
            if it is not None:
                it.write(more())
        gone = [at for at, it in enumerate(held) if it is None or not it.is_open]
        for at in gone[: max(connections // 10, 1)]:
            held[at] = await connect(port, deeds, start)


async def crowd(aim: Aim, deeds: Deeds) -> None:
    """300 connections at each port of HTTP/1 that ask once and stay."""
    asked = _GET + b"\r\n"
    await asyncio.gather(
        *(besiege(port, deeds, 300, 0, lambda _: None, asked) for port in aim.http)
    )

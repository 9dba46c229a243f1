"""Too much of what is allowed once: headers without end, calls begun and cancelled, pings, settings.

Each sends what it has at a rate, so that it takes a tenth of a core or two and not all.
"""

import asyncio
from collections.abc import Callable
from itertools import count

from support.attackers.aim import Aim, Deeds
from support.attackers.connection import Connection, connect
from support.attackers.half_open import CLASSIFY
from support.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    block,
    frame,
    headers_of,
    literal,
    message,
    reset,
    settings,
)

_TURN_S = 0.02
_PART = 16_384
_BODY = message(b"")


async def _at_a_rate(
    port: int, deeds: Deeds, each_s: float, send: Callable[[Connection], None], connections: int = 4
) -> None:
    """Have connections send `each_s` times a second in all, in bursts; those that are closed come back in the next turn."""
    held: list[Connection | None] = [None] * connections
    per_turn, owed = each_s * _TURN_S, 0.0
    for turn in count():
        owed += per_turn
        index = turn % connections
        it = held[index]
        if it is None or not it.is_open:
            it = held[index] = await connect(port, deeds, PREFACE + settings())
        while owed >= 1 and it is not None and it.is_open:
            owed -= 1
            deeds["sent"] += 1
            send(it)
        owed = min(owed, per_turn + 1)
        if it is not None:
            # One that doesn't take it is not waited for: it is left.
            try:
                await asyncio.wait_for(it.drained(), 1.0)
            except asyncio.TimeoutError:
                it.connection_lost(None)
        await asyncio.sleep(_TURN_S)


def _in_parts(stream: int, headers: bytes, *, ends: bool = True) -> bytes:
    """HEADERS and as many CONTINUATIONs as it takes; without an end of them unless it `ends`."""
    parts = [headers[at : at + _PART] for at in range(0, len(headers), _PART)]
    written = b""
    for number, part in enumerate(parts):
        flags = END_HEADERS if ends and number == len(parts) - 1 else 0
        written += frame(CONTINUATION if number else HEADERS, flags, stream, part)
    return written


def _sends(headers: bytes) -> Callable[[Connection], None]:
    def send(it: Connection) -> None:
        stream = it.new_stream()
        it.write(_in_parts(stream, headers) + frame(DATA, END_STREAM, stream, _BODY))

    return send


_LARGE = headers_of(CLASSIFY, (b"x-large", b"x" * 64 * 1024))
_HUGE = headers_of(CLASSIFY, *((b"x-huge-%d" % number, b"x" * 16_000) for number in range(65)))
_MANY = headers_of(CLASSIFY, *((b"k%d" % number, b"v") for number in range(5000)))
# Remembered once, and then named by a byte: 4,000 times 4,000 bytes.
_BOMB = headers_of(CLASSIFY) + literal(b"x-bomb", b"x" * 3_900, b"\x40") + b"\xbe" * 4000
_NEARLY_FULL = headers_of(CLASSIFY, *((b"x-%d" % number, b"x" * 900) for number in range(15)))


async def large_headers(aim: Aim, deeds: Deeds) -> None:
    """64 KB, 1 MB, thousands of keys, and as many as can be packed into little."""
    await asyncio.gather(
        *(
            _at_a_rate(port, deeds, rate, _sends(headers), 2)
            for port in aim.grpc
            for headers, rate in (
                (_LARGE, 20),
                (_HUGE, 4),
                (_MANY, 10),
                (_BOMB, 10),
                (_NEARLY_FULL, 20),
            )
        )
    )


async def endless_headers(aim: Aim, deeds: Deeds) -> None:
    """CONTINUATION frames that never end, empty ones among them."""
    part = frame(CONTINUATION, 0, 1, block([(b"x-more", b"x" * 4_000)] * 4))
    empty = frame(CONTINUATION, 0, 1, b"") * 100

    def send(it: Connection) -> None:
        if it.new_stream() == 1:
            it.write(frame(HEADERS, 0, 1, headers_of(CLASSIFY)))
        it.write(part + empty)

    await asyncio.gather(*(_at_a_rate(port, deeds, 100, send) for port in aim.grpc))


async def resets(aim: Aim, deeds: Deeds) -> None:
    """Calls that are cancelled as soon as they are begun, with their message and without: 2,000 a second."""
    bare = headers_of(CLASSIFY)

    def send(it: Connection) -> None:
        stream = it.new_stream()
        it.write(frame(HEADERS, END_HEADERS, stream, bare))
        if stream % 4 == 1:
            it.write(frame(DATA, END_STREAM, stream, _BODY))
        it.write(reset(stream))

    await asyncio.gather(*(_at_a_rate(port, deeds, 1000, send) for port in aim.grpc))


async def pings(aim: Aim, deeds: Deeds) -> None:
    """Pings and settings, 10,000 a second, all of which want an acknowledgement."""
    ping, said = frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, b"")

    def send(it: Connection) -> None:
        it.write(ping * 25 + said * 25)

    await asyncio.gather(*(_at_a_rate(port, deeds, 100, send) for port in aim.grpc))

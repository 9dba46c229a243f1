"""Calls whose message never comes, or comes by half; connections on which nothing is said."""

import asyncio
import ssl

from support.attackers.aim import HOST, Aim, Deeds
from support.attackers.connection import Connection
from support.attackers.siege import besiege
from support.frames import DATA, PREFACE, frame, message

CLASSIFY = "/tidegate.v1.Sentiment/Classify"
STREAM = "/tidegate.v1.Sentiment/ClassifyStream"
PATHS = (
    CLASSIFY,
    STREAM,
    "/tidegate.v1.Chat/Reply",
    "/tidegate.v1.Chat/StreamReply",
    "/tidegate.v1.Fleet/GetStatus",
    "/tidegate.v1.Fleet/WatchStatus",
    "/tidegate.v1.Instance/GetLoad",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/nobody.Knows/This",
)
ALL, OF_SERVER = 10_000, 3_000


def _headers(it: Connection) -> None:
    it.call(PATHS[it.deeds["streams"] % len(PATHS)])


def _half(it: Connection) -> None:
    """Every second one has begun a frame, the others a message in a frame that is whole."""
    stream = it.call(PATHS[it.deeds["streams"] % len(PATHS)])
    said = message(b"x" * 1000)[:100]
    it.write(frame(DATA, 0, stream, said))


def _cut(it: Connection) -> None:
    stream = it.call(CLASSIFY)
    it.write(frame(DATA, 0, stream, message(b"x" * 1000))[:100])


async def over_few(aim: Aim, deeds: Deeds) -> None:
    """10,000 calls without a message over ten connections."""
    await asyncio.gather(
        besiege(aim.front, deeds, 7, ALL - OF_SERVER, _headers),
        besiege(aim.server, deeds, 3, OF_SERVER, _headers),
    )


async def over_many(aim: Aim, deeds: Deeds) -> None:
    """10,000 calls without a message over 1,000 connections."""
    await asyncio.gather(
        besiege(aim.front, deeds, 700, ALL - OF_SERVER, _headers),
        besiege(aim.server, deeds, 300, OF_SERVER, _headers),
    )


async def half_messages(aim: Aim, deeds: Deeds) -> None:
    """1,000 calls with half a message, and 100 connections that stop within a frame."""
    await asyncio.gather(
        *(besiege(port, deeds, 10, 500, _half) for port in aim.grpc),
        *(besiege(port, deeds, 50, 50, _cut) for port in aim.grpc),
    )


async def silent(aim: Aim, deeds: Deeds) -> None:
    """Connections that say nothing, the preface alone, or begin it."""
    await asyncio.gather(
        *(besiege(port, deeds, 100, 0, _headers, b"") for port in aim.every),
        *(besiege(port, deeds, 100, 0, _headers, PREFACE) for port in aim.grpc),
        *(besiege(port, deeds, 100, 0, _headers, PREFACE[:7]) for port in aim.grpc),
    )


async def handshakes(aim: Aim, deeds: Deeds) -> None:
    """Handshakes of TLS that stop after the first words, or before any."""
    hello = _hello()
    await asyncio.gather(
        besiege(aim.tls, deeds, 300, 0, _headers, hello),
        besiege(aim.tls, deeds, 100, 0, _headers, hello[:20]),
        besiege(aim.tls, deeds, 100, 0, _headers, b""),
    )


def _hello() -> bytes:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(into, out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError(f"{HOST} was trusted without a word")

"""One connection of HTTP/2 that sends what it is told and counts what comes, as far as it reads at all."""

import asyncio
import contextlib
import socket
from typing import Any

from support.attackers.aim import HOST, Deeds
from support.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Cutter,
    Frame,
    Header,
    frame,
    headers_of,
    message,
    settings,
)


class Connection(asyncio.Protocol):
    """What a well-behaved peer must say (acknowledgements) is said; nothing else that isn't asked for."""

    def __init__(self, deeds: Deeds, greeting: bytes) -> None:
        self.deeds = deeds
        self.open_streams: set[int] = set()
        self.is_open = False
        self.transport: Any = None
        self._greeting = greeting
        self._cutter = Cutter()
        self._next = 1
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.is_open = True
        self.deeds["connections"] += 1
        self.write(self._greeting)

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_open:
            self.deeds["connections lost"] += 1
        self._close()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def drained(self) -> None:
        """Return when the other side has taken what was written, or is gone."""
        await self._may_write.wait()

    def write(self, data: bytes) -> None:
        if self.is_open:
            self.transport.write(data)

    def call(
        self, path: str, content: bytes | None = None, *more: Header, ends: bool = False
    ) -> int:
        """Begin a call; with `content` its message is sent, and with `ends` the caller has no more to say."""
        stream, self._next = self._next, self._next + 2
        written = frame(HEADERS, END_HEADERS, stream, headers_of(path, *more))
        if content is not None:
            written += frame(DATA, END_STREAM if ends else 0, stream, message(content))
        self.open_streams.add(stream)
        self.deeds["streams"] += 1
        self.write(written)
        return stream

    def new_stream(self) -> int:
        stream, self._next = self._next, self._next + 2
        return stream

    def data_received(self, data: bytes) -> None:
        for each in self._cutter.frames(data):
            self._take(each)

    def _take(self, it: Frame) -> None:
        if it.kind == SETTINGS and not it.flags & ACK:
            self.write(frame(SETTINGS, ACK, 0, b""))
        elif it.kind == PING and not it.flags & ACK:
            self.write(frame(PING, ACK, 0, it.payload))
        elif it.kind == GOAWAY:
            self.deeds["goaway"] += 1
            self._close()
        elif it.kind == RST_STREAM:
            self.deeds["streams reset"] += 1
            self.open_streams.discard(it.stream)
        elif it.kind == HEADERS and it.flags & END_STREAM:
            self.deeds["streams answered"] += 1
            self.open_streams.discard(it.stream)

    def _close(self) -> None:
        self.is_open = False
        self.open_streams.clear()
        self._may_write.set()
        if self.transport is not None:
            self.transport.abort()


async def connect(
    port: int,
    deeds: Deeds,
    greeting: bytes = PREFACE + settings(),
    *,
    reads: bool = True,
    **how: Any,
) -> Connection | None:
    """A connection that has greeted; None when there is none to have. One that doesn't `read` leaves all in its socket."""
    try:
        transport, it = await asyncio.wait_for(
            asyncio.get_running_loop().create_connection(
                lambda: Connection(deeds, greeting), HOST, port, **how
            ),
            10,
        )
    except (OSError, asyncio.TimeoutError):
        deeds["connections refused"] += 1
        return None
    if not reads:
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport.pause_reading()
    return it

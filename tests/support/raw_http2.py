"""One gRPC call written byte by byte, with headers that no gRPC library would send."""

import asyncio
from collections.abc import Iterable

from support.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Cutter,
    Header,
    frame,
    headers_of,
    message,
    settings,
)


async def end_of_raw_call(
    port: int, path: str, content: bytes, headers: Iterable[Header], within_s: float = 5.0
) -> str:
    """Make the call and say how it ended: "trailers", "reset", "goaway" or "closed".

    Raises TimeoutError when it doesn't end in time.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + settings())
    writer.write(frame(HEADERS, END_HEADERS, 1, headers_of(path, *headers)))
    writer.write(frame(DATA, END_STREAM, 1, message(content)))
    try:
        return await asyncio.wait_for(_end(reader, writer), within_s)
    finally:
        writer.close()


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    cutter = Cutter()
    while True:
        try:
            data = await reader.read(65_536)
        except ConnectionError:
            return "closed"
        if not data:
            return "closed"
        for each in cutter.frames(data):
            if each.kind == SETTINGS and not each.flags & ACK:
                writer.write(frame(SETTINGS, ACK, 0, b""))
            elif each.kind == GOAWAY:
                return "goaway"
            elif each.stream == 1 and each.kind == RST_STREAM:
                return "reset"
            elif each.stream == 1 and each.kind == HEADERS and each.flags & END_STREAM:
                return "trailers"

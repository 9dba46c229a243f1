"""Speaks as much HTTP as a browser needs with the page: one GET, or one POST that is answered by server-sent events.

Knows nothing of what is asked.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

HOST = "127.0.0.1"


class HttpError(Exception):
    """The answer was no 200, or ended too soon."""


async def get(port: int, path: str, within_s: float = 2.0) -> str:
    """The body of an answer. Raises HttpError, OSError or TimeoutError."""
    async with _connected(port, f"GET {path} HTTP/1.1", b"") as reader:
        return await asyncio.wait_for(_whole(reader), within_s)


async def events(
    port: int, method: str, path: str, body: object = None
) -> AsyncGenerator[tuple[str, Any], None]:
    """The events of an answer, name and fields, as they come; closing it hangs up.

    Raises HttpError when it ends amid an event or without being complete, OSError when nobody is there.
    """
    said = b"" if body is None else json.dumps(body).encode()
    async with _connected(port, f"{method} {path} HTTP/1.1", said) as reader:
        await _head(reader)
        rest = b""
        async for chunk in _chunks(reader):
            *whole, rest = (rest + chunk).split(b"\n\n")
            for each in whole:
                lines = dict(line.split(b": ", 1) for line in each.split(b"\n") if b": " in line)
                if b"event" in lines:
                    yield lines[b"event"].decode(), json.loads(lines[b"data"])


@contextlib.asynccontextmanager
async def _connected(
    port: int, first_line: str, body: bytes
) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        head = [first_line, f"host: {HOST}:{port}", "connection: close"]
        if body:
            head += ["content-type: application/json", f"content-length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _head(reader: asyncio.StreamReader) -> dict[str, str]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        raise HttpError("closed without an answer") from None
    if " 200 " not in head[0]:
        raise HttpError(head[0])
    fields = (line.partition(": ") for line in head[1:])
    return {name.lower(): value for name, _, value in fields}


async def _whole(reader: asyncio.StreamReader) -> str:
    head = await _head(reader)
    if head.get("transfer-encoding") == "chunked":
        return b"".join([chunk async for chunk in _chunks(reader)]).decode()
    return (await reader.read()).decode()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield (await reader.readexactly(size + 2))[:-2]
    except asyncio.IncompleteReadError:
        raise HttpError("the answer broke off") from None

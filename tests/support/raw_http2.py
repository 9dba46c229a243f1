"""One gRPC call written byte by byte, with headers that no gRPC library would send."""

import asyncio
import struct
from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1

Header = tuple[bytes, bytes]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _length(size: int) -> bytes:
    """An HPACK integer with a prefix of seven bits, for a string that is not compressed."""
    if size < 127:
        return bytes((size,))
    rest, coded = size - 127, bytearray((127,))
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    return bytes((*coded, rest))


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


async def end_of_raw_call(
    port: int, path: str, message: bytes, headers: Iterable[Header], within_s: float = 5.0
) -> str:
    """Make the call and say how it ended: "trailers", "reset", "goaway" or "closed".

    Raises TimeoutError when it doesn't end in time.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    standard: list[Header] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"test"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    block = b"".join(_literal(name, value) for name, value in [*standard, *headers])
    body = b"\x00" + struct.pack(">I", len(message)) + message
    writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
    writer.write(_frame(_HEADERS, _END_HEADERS, 1, block))
    writer.write(_frame(_DATA, _END_STREAM, 1, body))
    try:
        return await asyncio.wait_for(_end(reader, writer), within_s)
    finally:
        writer.close()


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    while True:
        try:
            head = await reader.readexactly(9)
            size = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return "closed"
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _GOAWAY:
            return "goaway"
        elif stream == 1 and kind == _RST_STREAM:
            return "reset"
        elif stream == 1 and kind == _HEADERS and flags & _END_STREAM:
            return "trailers"

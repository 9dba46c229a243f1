"""Frames of HTTP/2 as bytes: what no gRPC library would send can be sent, and what comes back is cut into frames.

Headers are never compressed. Knows nothing about sockets.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *(0, 1, 3, 4, 6, 7, 8, 9),
)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
CANCEL = 8

Header = tuple[bytes, bytes]


class Frame(NamedTuple):
    """One frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    """A SETTINGS frame; `window` is that of each stream."""
    numbers = {"window": INITIAL_WINDOW_SIZE}
    payload = b"".join(struct.pack(">HI", numbers[name], value) for name, value in values.items())
    return frame(SETTINGS, 0, 0, payload)


def reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def headers_of(path: str, *more: Header) -> bytes:
    """The block of a gRPC call's headers."""
    standard: list[Header] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"test"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    return block([*standard, *more])


def block(headers: Iterable[Header]) -> bytes:
    return b"".join(literal(name, value) for name, value in headers)


def message(content: bytes) -> bytes:
    """A message as gRPC puts it into DATA."""
    return b"\x00" + struct.pack(">I", len(content)) + content


def literal(name: bytes, value: bytes, kind: bytes = b"\x00") -> bytes:
    """A header in full; of the kind b"\\x40" it is to be remembered, and is number 62 then."""
    return kind + _length(len(name)) + name + _length(len(value)) + value


def _length(size: int) -> bytes:
    """An HPACK integer with a prefix of seven bits, for a string that is not compressed."""
    if size < 127:
        return bytes((size,))
    rest, coded = size - 127, bytearray((127,))
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    return bytes((*coded, rest))


class Cutter:
    """Cuts what comes into frames, however it comes."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with `data`."""
        self._rest += data
        while len(self._rest) >= 9:
            size = int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self._rest[3:9])
            payload = bytes(self._rest[9 : 9 + size])
            del self._rest[: 9 + size]
            yield Frame(kind, flags, stream & 0x7FFFFFFF, payload)

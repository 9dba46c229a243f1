"""Keeps what a caller has streamed, so that it can be sent again to another instance.

Reads one message ahead of nobody: the caller's flow control is the instance's. Recording ends with the first
answer or at a bound; from then on the stream can't be repeated. Knows nothing about where messages go.
"""

import asyncio
from collections.abc import Awaitable, Callable

import grpc

MAX_MESSAGES = 256
MAX_BYTES = 1 << 20
"""What a call may hold in memory on the chance that its instance is lost before it answers."""


class Tape:
    """The messages of one caller. `read` returns bytes, or `grpc.aio.EOF` at the end."""

    def __init__(self, read: Callable[[], Awaitable[object]]) -> None:
        self._read = read
        self._messages: list[object] = []
        self._first = 0
        self._bytes = 0
        self._is_recording = True
        self._reading: asyncio.Future[object] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether everything that the caller sent so far can be sent again."""
        return self._first == 0

    def stop_recording(self) -> None:
        """Forget what was sent; the call is with its instance for good."""
        self._is_recording = False

    async def message(self, index: int) -> object:
        """The caller's message number `index`, from 0; `grpc.aio.EOF` after the last.

        One reader at a time, who never goes back unless the tape is complete. A reader that is
        cancelled loses nothing: the next one finds the message.
        """
        while index - self._first >= len(self._messages):
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            message = await asyncio.shield(self._reading)
            self._reading = None
            self._keep(message)
        return self._messages[index - self._first]

    def _keep(self, message: object) -> None:
        self._messages.append(message)
        self._bytes += len(message) if isinstance(message, bytes) else 0
        if len(self._messages) > MAX_MESSAGES or self._bytes > MAX_BYTES:
            self._is_recording = False
        if not self._is_recording:
            self._first += len(self._messages) - 1
            del self._messages[:-1]

    async def pump(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Send every message on, from the first, until the caller has no more."""
        index = 0
        while (message := await self.message(index)) is not grpc.aio.EOF:
            if isinstance(message, bytes):
                await write(message)
            index += 1

    def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

"""The context of a call that streams, which tells the watch when the caller is waited for.

An answer that is not taken ends the call. So does a message that doesn't come: the first one as in any call; a later one only while all
that came has been answered, and then as if it had been the end of the stream, so that nothing of it is lost. Knows nothing about messages.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tidegate.limits.watch import Call, IsWanted, StallWatch

_LOOK_S = 0.25


class Stream:
    """`context`, watched. `is_wanted` says whether others wait for what the call holds; None for one that holds nothing."""

    __slots__ = (
        "_call",
        "_came",
        "_context",
        "_is_wanted",
        "_since_s",
        "_watch",
        "_went",
        "is_stalled",
    )

    def __init__(
        self, context: Any, call: Call, watch: StallWatch, is_wanted: IsWanted | None
    ) -> None:
        self._context = context
        self._call = call
        self._watch = watch
        self._is_wanted = is_wanted
        self._came = 0
        self._went = 0
        self._since_s = 0.0
        self.is_stalled = False
        """Whether the stream was taken for ended, because nothing came."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """As gRPC has it."""
        self.takes()
        try:
            await self._context.write(message)
        except grpc.aio.InternalError as error:
            # The caller has left, and the word of it isn't here yet.
            raise asyncio.CancelledError from error
        finally:
            self.took()

    def takes(self) -> None:
        """An answer is on its way to the caller."""
        self._watch.waits_within(self._call, self._is_wanted or _never)

    def took(self) -> None:
        """The caller has it."""
        self._watch.goes_on_within(self._call)
        self._went += 1
        self._since_s = self._watch.now_s()

    async def read(self) -> Any:
        """As gRPC has it; EOF too when the caller has stalled."""
        if not self._came:
            message = await self._first()
        elif self._is_wanted is None:
            message = await self._context.read()
        else:
            message = await self._next(self._is_wanted)
        self._came += 1
        return message

    async def _first(self) -> Any:
        """The first message, without which nothing is held yet."""
        self._watch.waits(self._call)
        try:
            return await self._context.read()
        finally:
            self._watch.goes_on(self._call)

    async def _next(self, is_wanted: IsWanted) -> Any:
        self._since_s = self._watch.now_s()
        reading = asyncio.ensure_future(self._context.read())
        try:
            while not (await asyncio.wait({reading}, timeout=_LOOK_S))[0]:
                # While an answer is due the caller may well wait for it.
                is_idle = self._came <= self._went
                if is_idle and self._watch.is_too_long(self._since_s, is_wanted):
                    self.is_stalled = True
                    self._watch.note_stalled()
                    return grpc.aio.EOF
            return reading.result()
        finally:
            reading.cancel()

    def is_over(self) -> None:
        """The method is done; its status is on its way."""
        self._watch.waits(self._call)

    async def messages(self) -> AsyncIterator[Any]:
        """What comes, for methods that iterate."""
        while (message := await self.read()) is not grpc.aio.EOF:
            yield message


def _never() -> bool:
    return False

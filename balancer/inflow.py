"""A stream of messages into the balancer, held to what its caller may send: none too large, none too soon.

A message beyond the caller's rate waits, and by flow control so does the caller. One that is too large ends the stream:
what came before is answered, then the call is denied. Knows nothing about who calls.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from tidegate.balancer.admitted import Admitted
from tidegate.balancer.metadata import Metadata
from tidegate.identity.denial import Denial, DeniedError


class Inflow(Admitted):
    """The context of a call that streams. `check` raises DeniedError for a message of a size that isn't accepted;
    `take` returns the seconds until another one may go, 0 for at once.
    """

    __slots__ = ("_check", "_take", "_waits", "denial")

    def __init__(
        self,
        context: Any,
        metadata: Metadata,
        check: Callable[[int], None],
        take: Callable[[], float],
    ) -> None:
        super().__init__(context, metadata)
        self._check = check
        self._take = take
        # The first message came with the call, which was counted.
        self._waits = False
        self.denial: Denial | None = None
        """Why the stream was ended, for the door to tell."""

    async def read(self) -> object:
        """The next message; `grpc.aio.EOF` after the last, and in place of one that may not be sent."""
        message = await self._context.read()
        if not isinstance(message, bytes):
            return message
        try:
            self._check(len(message))
        except DeniedError as error:
            self.denial = error.denial
            return grpc.aio.EOF
        if self._waits:
            await self._turn()
        self._waits = True
        return message

    async def _turn(self) -> None:
        """Wait until one more may go."""
        while True:
            wait_s = self._take()
            if not wait_s:
                return
            await asyncio.sleep(wait_s)

    async def abort(self, code: grpc.StatusCode, details: str = "", trailers: Any = ()) -> NoReturn:
        """End the call; by the denial, if there was one."""
        if self.denial is not None:
            raise DeniedError(self.denial)
        await self._context.abort(code, details, trailers)
        raise AssertionError("abort returned")

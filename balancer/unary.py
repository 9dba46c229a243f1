"""Makes unary calls to an instance, on what gRPC's own objects for a call are made of.

Those take a task, a turn of the loop and five conversions of metadata for every call: a twelfth of what it costs here. Knows
nothing about leases or outcomes.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import grpc

from tidegate.balancer.metadata import Metadata

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended. `message` is None unless `code` is OK."""

    message: bytes | None
    code: grpc.StatusCode
    details: str
    initial: Metadata
    trailers: Metadata


class UnaryMethod:
    """One unary method of the instance at the other end of a channel.

    A call that has reached the instance ends well also when the channel is closed meanwhile.
    """

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        self._channel: Any = channel._channel  # type: ignore[attr-defined]
        self._path = path.encode()

    async def __call__(self, request: bytes, metadata: Metadata, timeout_s: float | None) -> Answer:
        """Call, and return how it ended, whatever the status. Who cancels this cancels the call."""
        deadline_s = None if timeout_s is None else time.time() + timeout_s
        call = self._channel.call(self._path, deadline_s, None, None, 0)
        try:
            message = await call.unary_unary(request, metadata)
        except asyncio.CancelledError:
            call.cancel("the caller hung up")
            raise
        status = await call.status()
        initial, trailers = await call.initial_metadata(), status.trailing_metadata()
        return Answer(
            message, _CODES[status.code()], status.details() or "", initial or (), trailers or ()
        )

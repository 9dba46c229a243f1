"""Calls the balancer itself, as a caller would, and times it: what a call waits here before anybody sees it.

gRPC takes up one call in a few turns of the loop, so that a balancer that can't keep up has short turns and a long queue before
them, in gRPC's own memory. Knows nothing about what the time means.
"""

import asyncio
from collections.abc import Callable

import grpc

from tidegate.balancer.channels import OPTIONS

METHOD = "/tidegate.balancer/OwnCall"
"""Of no service: gRPC keeps a queue of its own for each method that is registered with it, and all that is forwarded stands in
the one for the others. Answered with UNIMPLEMENTED, which is as good."""
EVERY_S = 0.2
PATIENCE_S = 10.0


class OwnCall:
    """Tells `report` the seconds that a call takes, from `start` to `stop`; five times a second one is made, whether or not the
    one before has ended."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._calling: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[bool], float] = {}
        self._took_s = 0.0

    def start(self, address: str) -> None:
        """Begin to call."""
        self._calling = asyncio.ensure_future(self._call(address))

    async def stop(self) -> None:
        """Call no more."""
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)

    async def _call(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            try:
                while True:
                    calling = asyncio.ensure_future(_is_taken_up(check))
                    self._under_way[calling] = loop.time()
                    calling.add_done_callback(self._ended)
                    await asyncio.sleep(EVERY_S)
                    self._tell_of_the_oldest(loop.time())
            finally:
                for calling in tuple(self._under_way):
                    calling.cancel()

    def _ended(self, calling: "asyncio.Task[bool]") -> None:
        began_s = self._under_way.pop(calling)
        if not calling.cancelled() and calling.result():
            self._took_s = asyncio.get_running_loop().time() - began_s
            self._report(self._took_s)

    def _tell_of_the_oldest(self, now: float) -> None:
        """One that is under way for longer than the last one took is news."""
        oldest_s = min(self._under_way.values(), default=now)
        if now - oldest_s > self._took_s:
            self._report(now - oldest_s)


async def _is_taken_up(check: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]") -> bool:
    """Call; whether the balancer has looked at it. One that gRPC turned away before says nothing of the time."""
    try:
        await check(b"", timeout=PATIENCE_S, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNIMPLEMENTED
    return True

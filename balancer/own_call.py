"""Calls the balancer itself, as a caller would, and times it: what a call waits here before anybody sees it.

gRPC takes up one call a turn of the loop, so that a balancer that can't keep up has short turns and a long queue before them, in
gRPC's own memory. Knows nothing about what the time means.
"""

import asyncio
import contextlib
from collections.abc import Callable

import grpc

from tidegate.balancer.channels import OPTIONS

METHOD = "/grpc.health.v1.Health/Check"
EVERY_S = 0.2
PATIENCE_S = 10.0


class OwnCall:
    """Tells `report` the seconds that a call takes, five times a second, from `start` to `stop`."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._calling: asyncio.Task[None] | None = None

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
            while True:
                began_s = loop.time()
                calling = asyncio.ensure_future(_end_of(check))
                try:
                    while not calling.done():
                        # One that is still under way takes so long at least.
                        await asyncio.wait((calling,), timeout=EVERY_S)
                        self._report(loop.time() - began_s)
                finally:
                    calling.cancel()
                await asyncio.sleep(EVERY_S)


async def _end_of(check: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]") -> None:
    # Whatever it says.
    with contextlib.suppress(grpc.aio.AioRpcError):
        await check(b"", timeout=PATIENCE_S, wait_for_ready=True)

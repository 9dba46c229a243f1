"""Keeps up a number of connections, each with a number of calls that are under way, and begins anew what is ended.

What is ended comes back at a tenth of the number a second: an attacker doesn't give up, and doesn't open without end.
"""

import asyncio
from collections.abc import Callable

from support.attackers.aim import Deeds
from support.attackers.connection import Connection, connect
from support.frames import PREFACE, settings

AGAIN_S = 1.0
AGAIN_SHARE = 0.1


async def besiege(
    port: int,
    deeds: Deeds,
    connections: int,
    calls: int,
    begin: Callable[[Connection], object],
    greeting: bytes = PREFACE + settings(),
    *,
    reads: bool = True,
) -> None:
    """Have so many connections, with so many calls in all that `begin` begins one by one."""
    each = -(-calls // connections) if calls else 0
    held: list[Connection | None] = [None] * connections
    budget, more = connections + calls, max(round((connections + calls) * AGAIN_SHARE), 1)
    while True:
        for index, it in enumerate(held):
            if budget <= 0:
                break
            if it is None or not it.is_open:
                budget -= 1
                it = held[index] = await connect(port, deeds, greeting, reads=reads)
            while it is not None and it.is_open and len(it.open_streams) < each and budget > 0:
                budget -= 1
                begin(it)
                await it.drained() if reads else await asyncio.sleep(0)
        deeds["held at most"] = max(
            deeds["held at most"], sum(len(it.open_streams) for it in held if it is not None)
        )
        await asyncio.sleep(AGAIN_S)
        budget = more

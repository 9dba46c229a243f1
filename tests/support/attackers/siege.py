"""Keeps up a number of connections, each with a number of calls that are under way, and begins anew what is ended.

They come within some five seconds. What is ended comes back at a tenth of the number a second: an attacker doesn't give up, and
doesn't open without end.
"""

import asyncio
from collections.abc import Callable

from support.attackers.aim import Deeds
from support.attackers.connection import Connection, connect
from support.frames import PREFACE, settings

COMING_S = 5.0
AGAIN_SHARE = 0.1
_TURN_S = 0.1


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
    all_of_it = connections + calls
    left, owed, place = all_of_it, 0.0, 0
    while True:
        rate = all_of_it / COMING_S if left > 0 else all_of_it * AGAIN_SHARE
        owed = min(owed + rate * _TURN_S, rate)
        for _ in range(connections):
            if owed < 1:
                break
            # On from where it stopped, so that all connections get their calls.
            index = place = (place + 1) % connections
            it = held[index]
            if it is None or not it.is_open:
                owed, left = owed - 1, left - 1
                it = held[index] = await connect(port, deeds, greeting, reads=reads)
            while it is not None and it.is_open and len(it.open_streams) < each and owed >= 1:
                owed, left = owed - 1, left - 1
                begin(it)
                await it.drained() if reads else await asyncio.sleep(0)
        deeds["held at most"] = max(
            deeds["held at most"], sum(len(it.open_streams) for it in held if it is not None)
        )
        await asyncio.sleep(_TURN_S)

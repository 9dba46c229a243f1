"""`python -m support.attackers NAME,NAME AIM`: plays them until SIGTERM, then says what was done."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter

from support.attackers import crowd_of_callers, floods, garbage, greedy, half_open, slow
from support.attackers.aim import Aim, Attack

ATTACKS: dict[str, Attack] = {
    "rush": crowd_of_callers.rush,
    "half-open-few": half_open.over_few,
    "half-open-many": half_open.over_many,
    "half-messages": half_open.half_messages,
    "silent": half_open.silent,
    "handshakes": half_open.handshakes,
    "no-window": slow.no_window,
    "no-reading": slow.no_reading,
    "drips": slow.drips,
    "large-headers": floods.large_headers,
    "endless-headers": floods.endless_headers,
    "resets": floods.resets,
    "pings": floods.pings,
    "noise": garbage.noise,
    "loris": garbage.loris,
    "crowd": garbage.crowd,
    "greedy-labels": greedy.labels,
    "greedy-bulks": greedy.bulks,
    "greedy-chats": greedy.chats,
}


async def play(names: list[str], aim: Aim) -> dict[str, Counter[str]]:
    deeds = {name: Counter[str]() for name in names}
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    # Whoever sent us holds the other end: when they are gone, however that was, nobody attacks any more.
    loop.add_reader(sys.stdin.fileno(), over.set)
    attacks = [asyncio.ensure_future(ATTACKS[name](aim, deeds[name])) for name in names]
    waiting = asyncio.ensure_future(over.wait())
    # An attack that ends by itself is a mistake of ours.
    done, _ = await asyncio.wait([waiting, *attacks], return_when=asyncio.FIRST_COMPLETED)
    for each in attacks:
        if each in done:
            each.result()
    return deeds


async def main() -> None:
    said = json.dumps(await play(sys.argv[1].split(","), Aim.read(sys.argv[2])))
    print(said, flush=True)  # noqa: T201
    # Thousands of connections in the midst of everything: they end with the process.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())

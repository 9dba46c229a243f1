"""Says on stderr what is being done, and that it still is.

Knows nothing about what that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_REMINDER_S = 10.0

Say = Callable[[str], None]


@asynccontextmanager
async def shown(say: Say, what: str) -> AsyncIterator[None]:
    """Says what the block does when it begins, and how long it has taken every 10 s."""
    say(what)
    reminding = asyncio.ensure_future(_remind(say, what))
    try:
        yield
    finally:
        reminding.cancel()


async def _remind(say: Say, what: str) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while True:
        await asyncio.sleep(_REMINDER_S)
        say(f"{what}, {loop.time() - began_s:.0f} s so far")

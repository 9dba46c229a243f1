"""Waits for a condition, with a bound."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Return as soon as `condition()` holds; fail if it doesn't within the bound."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    while not condition():
        assert loop.time() < end_s, f"not within {within_s} s: {condition}"
        await asyncio.sleep(0.005)

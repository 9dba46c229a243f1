"""Measures how much a fleet answers when there are always more calls: 0.8 of what it gives is 0.8 of this.

Knows nothing of processes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

from benchmarks.soak.system import CHAT_SLOTS, SENTIMENT_SLOTS
from benchmarks.soak.traffic import Rates
from tidegate.clients import AsyncClient


async def measure(client: AsyncClient, instances: int, for_s: float) -> Rates:
    """Return how many labels and chats a second were answered, with a caller for each slot of either."""
    began_s, numbers = time.monotonic(), count(1)

    async def rate(call: Callable[[str], Awaitable[object]]) -> float:
        """Calls a second of one who calls again and again, the last one to its end."""
        calls, now_s = 0, began_s
        while now_s < began_s + for_s:
            await call(f"第{next(numbers)}条")
            calls, now_s = calls + 1, time.monotonic()
        return calls / (now_s - began_s)

    labels, chats = await asyncio.gather(
        asyncio.gather(*(rate(client.classify) for _ in range(instances * SENTIMENT_SLOTS))),
        asyncio.gather(*(rate(client.reply) for _ in range(instances * CHAT_SLOTS))),
    )
    return Rates(sum(labels), sum(chats))

"""Answers many items on one event loop: a bounded number at once, in the order of the items.

Knows nothing about how one item is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.bulk import AHEAD, named
from tidegate.clients.inputs import Item
from tidegate.clients.repeats import Repeats, key_of, repeated

Answer = Callable[[Item], Awaitable[ClassifiedItem]]


async def in_order(
    answer: Answer, items: Iterable[str | Item] | AsyncIterable[str | Item], concurrency: int
) -> AsyncGenerator[ClassifiedItem, None]:
    """The outcomes, each as soon as those before it are there.

    What `items` raises comes after the outcomes of what it gave before. Closing the iterator ends
    the calls that are under way.
    """
    ahead, at_once = asyncio.Semaphore(AHEAD * concurrency), asyncio.Semaphore(concurrency)
    coming: asyncio.Queue[asyncio.Task[ClassifiedItem] | None] = asyncio.Queue()
    running: set[asyncio.Task[ClassifiedItem]] = set()

    async def one(item: Item) -> ClassifiedItem:
        async with at_once:
            return await answer(item)

    async def take() -> None:
        try:
            position = 0
            async for item in _each(items, ahead):
                task = asyncio.create_task(one(named(item, position)))
                position += 1
                running.add(task)
                task.add_done_callback(running.discard)
                coming.put_nowait(task)
        finally:
            coming.put_nowait(None)

    taking = asyncio.create_task(take())
    try:
        while (outcome := await coming.get()) is not None:
            yield await outcome
            ahead.release()
        await taking
    finally:
        left = [taking, *running]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _each(
    items: Iterable[str | Item] | AsyncIterable[str | Item], room: asyncio.Semaphore
) -> AsyncIterator[str | Item]:
    """The items, none of which is asked for before there is room for it."""
    await room.acquire()
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
            await room.acquire()
    else:
        for item in items:
            yield item
            await room.acquire()


def once(ask: Answer) -> Answer:
    """Answers as `ask` does, but asks once for equal items: whoever comes meanwhile waits for the first.

    Where that one fails, each of those asks for itself.
    """
    repeats: Repeats[asyncio.Event] = Repeats()

    async def answer(item: Item) -> ClassifiedItem:
        key = key_of(item)
        known, asking = repeats.find(key), repeats.asking.get(key)
        if known is None and asking is None:
            repeats.asking[key] = asyncio.Event()
        if known is None and asking is not None:
            await asking.wait()
            known = repeats.find(key)
        if known is not None:
            return repeated(item, known)
        try:
            outcome = await ask(item)
            if isinstance(outcome.outcome, Classification):
                repeats.keep(key, outcome.outcome)
            return outcome
        finally:
            if asking is None:
                repeats.asking.pop(key).set()

    return answer

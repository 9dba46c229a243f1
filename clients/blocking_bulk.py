"""Answers many items on threads: a bounded number at once, in the order of the items.

Knows nothing about how one item is answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.bulk import AHEAD, numbered
from tidegate.clients.hangup import Hangup
from tidegate.clients.inputs import Item
from tidegate.clients.repeats import Repeats, key_of, repeated

Answer = Callable[[Item, Hangup], ClassifiedItem]


def in_order(
    answer: Answer, items: Iterable[str | Item], concurrency: int
) -> Generator[ClassifiedItem, None, None]:
    """The outcomes, each as soon as those before it are there.

    The items are taken by a thread of this call's own, which ends with it; if `items` itself
    blocks for ever, that thread waits there until the process ends, which it doesn't hold up.
    What `items` raises comes after the outcomes of what it gave before. Closing the iterator ends
    the calls that are under way.
    """
    hangup = Hangup()
    room = threading.Semaphore(AHEAD * concurrency)
    coming: SimpleQueue[Future[ClassifiedItem] | None] = SimpleQueue()
    failures: list[Exception] = []
    pool = ThreadPoolExecutor(concurrency, "tidegate-bulk")

    def take() -> None:
        named = numbered(items)
        try:
            while room.acquire() and not hangup.is_over.is_set():
                coming.put(pool.submit(answer, next(named), hangup))
        except StopIteration:
            pass
        except Exception as error:
            # Also what a pool raises that was shut meanwhile; then nobody reads it.
            failures.append(error)
        coming.put(None)

    threading.Thread(target=take, name="tidegate-bulk-items", daemon=True).start()
    try:
        while (outcome := coming.get()) is not None:
            yield outcome.result()
            room.release()
        if failures:
            raise failures[0]
    finally:
        hangup.hang_up()
        room.release()
        pool.shutdown(wait=False, cancel_futures=True)


def once(ask: Answer) -> Answer:
    """Answers as `ask` does, but asks once for equal items: whoever comes meanwhile waits for the first.

    Where that one fails, each of those asks for itself.
    """
    repeats: Repeats[threading.Event] = Repeats()
    changing = threading.Lock()

    def answer(item: Item, hangup: Hangup) -> ClassifiedItem:
        key = key_of(item)
        with changing:
            known, asking = repeats.find(key), repeats.asking.get(key)
            if known is None and asking is None:
                repeats.asking[key] = threading.Event()
        if known is None and asking is not None:
            asking.wait()
            with changing:
                known = repeats.find(key)
        if known is not None:
            return repeated(item, known)
        try:
            outcome = ask(item, hangup)
            if isinstance(outcome.outcome, Classification):
                with changing:
                    repeats.keep(key, outcome.outcome)
            return outcome
        finally:
            if asking is None:
                with changing:
                    asked = repeats.asking.pop(key)
                asked.set()

    return answer

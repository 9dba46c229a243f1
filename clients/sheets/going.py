"""Takes the records of a sheet through a client, in order, and waits out what passes.

Knows nothing about where answers are written, nor how progress is shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from tidegate.clients.answers import ClassifiedItem
from tidegate.clients.client import Client
from tidegate.clients.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    TidegateError,
    Unavailable,
)
from tidegate.clients.inputs import Item
from tidegate.clients.options import ClassifyOptions
from tidegate.clients.sheets.records import Fault, Record

# A fleet that turns away, or that is gone, is asked again: after its hint, else after 2 s, doubling to 30 s.
PAUSES = 5
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 30.0

Take = Callable[[Record | Fault, ClassifiedItem | None], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sheet is gone through: calls at once, and what each is given."""

    concurrency: int
    options: ClassifyOptions


def go_through(
    client: Client,
    records: Callable[[], Iterable[Record | Fault]],
    done: int,
    pace: Pace,
    take: Take,
    pause: Callable[[TidegateError, float], None],
) -> None:
    """Have every record behind the first `done` answered, and hand each to `take`, in order.

    A fault comes with None. What passes by itself (load, an
    absent balancer, a deadline) is waited out by `pause` and tried again from there; when it doesn't
    pass within PAUSES, and for what is wrong with all records, the error is raised.
    """
    fruitless = 0
    while True:
        before = done
        failure: TidegateError | None = None
        with closing(_answered(client, islice(iter(records()), done, None), pace)) as answered:
            for record, item in answered:
                outcome = None if item is None else item.outcome
                if isinstance(outcome, TidegateError) and not _is_of_the_text(outcome):
                    failure = outcome
                    break
                take(record, item)
                done += 1
        if failure is None:
            return
        fruitless = 0 if done > before else fruitless + 1
        if isinstance(failure, InvalidInput) or fruitless >= PAUSES:
            raise failure
        pause(failure, pause_s(failure, fruitless))


def pause_s(error: TidegateError, fruitless: int) -> float:
    """How long to wait before going on, when so many goes in a row have brought nothing."""
    own_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(max(fruitless - 1, 0), 16))
    return max(own_s, error.retry_after_s or 0.0)


def _answered(
    client: Client, records: Iterator[Record | Fault], pace: Pace
) -> Generator[tuple[Record | Fault, ClassifiedItem | None], None, None]:
    order: deque[Record | Fault] = deque()

    def items() -> Iterator[Item]:
        for each in records:
            order.append(each)
            if isinstance(each, Record):
                yield Item(each.text)

    outcomes = client.classify_many(items(), concurrency=pace.concurrency, **pace.options)
    with closing(outcomes):
        for outcome in outcomes:
            while isinstance(record := order.popleft(), Fault):
                yield record, None
            yield record, outcome
    for fault in order:
        yield fault, None


def _is_of_the_text(error: TidegateError) -> bool:
    """Whether another text might have been answered at the same moment."""
    match error:
        case Overloaded() | Unavailable() | DeadlineExceeded():
            return False
        case InvalidInput():
            return all(each.field == "text" for each in error.violations)
        case _:
            return True

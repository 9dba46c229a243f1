"""Drives one bulk stream on grpc's blocking stack: items in, outcomes out, a bounded number
under way.

Knows nothing about which outcome belongs to which item (bulk), nor when to try again (retry).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING

import grpc

from tidegate.clients.answers import ClassifiedItem
from tidegate.clients.bulk import Bulk
from tidegate.clients.calls import Incoming, next_message
from tidegate.clients.errors import error_of_broken_stream
from tidegate.clients.inputs import Item
from tidegate.clients.patience import Patience
from tidegate.clients.retry import retrying
from tidegate.v1 import sentiment_pb2

if TYPE_CHECKING:  # gRPC's classes take no parameters at run time
    _Method = grpc.StreamStreamMultiCallable[
        sentiment_pb2.ClassifyStreamRequest, sentiment_pb2.ClassifyStreamResponse
    ]
    _Call = Incoming[sentiment_pb2.ClassifyStreamResponse]


def classify_stream(
    method: _Method,
    items: Iterable[str | Item],
    bulk: Bulk,
    patience: Patience,
    attempts: int,
    window: int,
) -> Generator[ClassifiedItem, None, None]:
    """The outcomes, as they come. A stream that fails before its first message is begun again
    with every item that it had; nothing is sent twice after that.

    The items are taken by a thread of this call's own, which ends with it; if `items` itself
    blocks for ever, that thread waits there until the process ends, which it doesn't hold up.
    """
    feed = _Feed(bulk, window)
    threading.Thread(
        target=feed.fill, args=(iter(items),), name="tidegate-bulk", daemon=True
    ).start()
    call: _Call | None = None

    def attempt() -> sentiment_pb2.ClassifyStreamResponse | None:
        nonlocal call
        sending = feed.begin()
        call = method(sending, timeout=patience.left_s())
        return next_message(call)

    try:
        response = retrying(attempts, patience.timeout_s)(attempt)
        while call is not None and response is not None:
            outcome = feed.settle(response)
            if outcome is not None:
                yield outcome
            yield from feed.unsendable()
            response = next_message(call)
        yield from feed.unsendable()
        if not feed.is_done:
            raise error_of_broken_stream()
        if feed.failure is not None:
            raise feed.failure
    finally:
        feed.close()
        if call is not None:
            call.cancel()


class _Feed:
    """What lies between the caller's items and the stream, over all its attempts.

    Three threads meet here: the one that takes the caller's items, gRPC's own that sends them,
    and the caller's, which reads.
    """

    def __init__(self, bulk: Bulk, window: int) -> None:
        self._bulk = bulk
        self._window = window
        self._changed = threading.Condition()
        self._attempt = 0
        self._has_all = False
        self._closed = False
        self._unsendable: deque[ClassifiedItem] = deque()
        self.failure: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether every item was taken in and answered."""
        with self._changed:
            return self._has_all and not self._bulk.unsent(-1)

    def fill(self, items: Iterator[str | Item]) -> None:
        """Take items in while there is room; what the iterator raises is kept for later."""
        try:
            while self._wait_for_room():
                item = next(items)
                with self._changed:
                    unsendable = self._bulk.admit(item)
                    if unsendable is not None:
                        self._unsendable.append(unsendable)
                    self._changed.notify_all()
        except StopIteration:
            pass
        except Exception as error:
            self.failure = error
        with self._changed:
            self._has_all = True
            self._changed.notify_all()

    def begin(self) -> Iterator[sentiment_pb2.ClassifyStreamRequest]:
        """What the next attempt sends: all that is unanswered, then what comes."""
        with self._changed:
            self._attempt += 1
            self._changed.notify_all()
            return self._requests(self._attempt)

    def settle(self, response: sentiment_pb2.ClassifyStreamResponse) -> ClassifiedItem | None:
        """The outcome that a response brings; its room is free again."""
        with self._changed:
            outcome = self._bulk.settle(response)
            self._changed.notify_all()
            return outcome

    def unsendable(self) -> Iterator[ClassifiedItem]:
        """The items that no message can hold, each once."""
        while self._unsendable:
            yield self._unsendable.popleft()

    def close(self) -> None:
        """End both other threads, at the next item at the latest."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or len(self._bulk.unsent(-1)) < self._window
            )
            return not self._closed

    def _requests(self, attempt: int) -> Iterator[sentiment_pb2.ClassifyStreamRequest]:
        last = -1
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda seen=last: (  # type: ignore[misc]
                        self._is_over(attempt) or self._has_all or self._bulk.unsent(seen)
                    )
                )
                unsent = [] if self._is_over(attempt) else self._bulk.unsent(last)
            if not unsent:
                return
            for position, request in unsent:
                yield request
                last = position

    def _is_over(self, attempt: int) -> bool:
        return self._closed or attempt != self._attempt

"""Keeps track of the items of one bulk stream: which are on their way, which are answered.

A small machine without I/O that both clients drive: items go in, messages come out, responses
go in, outcomes come out. Knows nothing about streams, threads or retries.
"""

from __future__ import annotations

from tidegate.clients import messages
from tidegate.clients.answers import ClassifiedItem
from tidegate.clients.errors import InvalidInput, error_of_item
from tidegate.clients.inputs import Item
from tidegate.v1 import sentiment_pb2

# Items under way at once: enough that a server's batch never runs dry between two answers,
# few enough that a million lines on stdin don't end up in memory.
WINDOW = 64


class Bulk:
    """The items of one stream, each from `admit` to its one outcome.

    On the wire an item is named by its position, so that items whose ids are equal or empty
    can't be mistaken for each other.
    """

    def __init__(self, profile: str | None, system_prompt: str | None) -> None:
        self._profile = profile
        self._system_prompt = system_prompt
        self._next_position = 0
        self._waiting: dict[int, tuple[Item, sentiment_pb2.ClassifyStreamRequest]] = {}

    def __repr__(self) -> str:
        return f"<Bulk {self._next_position} admitted | {len(self._waiting)} unanswered>"

    def admit(self, item: str | Item) -> ClassifiedItem | None:
        """Take the next item in; its outcome at once if no message can hold it, else None."""
        position = self._next_position
        self._next_position += 1
        item = Item(item) if isinstance(item, str) else item
        if not item.item_id:
            item = Item(item.text, str(position), item.profile, item.system_prompt)
        try:
            request = messages.stream_request(
                str(position), item, self._profile, self._system_prompt
            )
        except InvalidInput as error:
            return ClassifiedItem(item.item_id, item.text, error)
        self._waiting[position] = (item, request)
        return None

    def unsent(self, after: int) -> list[tuple[int, sentiment_pb2.ClassifyStreamRequest]]:
        """The unanswered items behind position `after`, oldest first; -1 for all of them."""
        return [
            (position, request)
            for position, (_, request) in self._waiting.items()
            if position > after
        ]

    def settle(self, response: sentiment_pb2.ClassifyStreamResponse) -> ClassifiedItem | None:
        """The outcome of the item that this answers; None when no item waits for it."""
        if not (response.item_id.isascii() and response.item_id.isdigit()):
            return None
        item, _ = self._waiting.pop(int(response.item_id), (None, None))
        if item is None:
            return None
        if response.WhichOneof("outcome") == "answer":
            return ClassifiedItem(item.item_id, item.text, messages.classification(response.answer))
        return ClassifiedItem(item.item_id, item.text, error_of_item(response.error))

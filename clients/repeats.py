"""Has equal items of one bulk asked once: what an earlier one was answered is the answer of each that is equal to it.

A label is the same every time, until its profile changes: an answer of another version of a profile ends what is
remembered. Errors are nobody's but their own item's. Knows nothing about calls; one module for threads and one for tasks
wait for each other's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.inputs import Item

# Short reviews repeat, long ones hardly ever: so many of the latest are enough, and little memory.
REMEMBERED = 4096

Key = tuple[str, str | None, str | None]
_Waiting = TypeVar("_Waiting")


def key_of(item: Item) -> Key:
    """What is the same for items that get the same answer."""
    return item.text, item.profile, item.system_prompt


def repeated(item: Item, answer: Classification) -> ClassifiedItem:
    """The outcome of an item that an equal one was asked for."""
    return ClassifiedItem(item.item_id, item.text, answer, is_repeated=True)


class Repeats(Generic[_Waiting]):
    """What was answered, the latest so many, and who waits for what is being asked now."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._answers: OrderedDict[Key, Classification] = OrderedDict()
        self._versions: dict[str, str] = {}
        self.asking: dict[Key, _Waiting] = {}

    def find(self, key: Key) -> Classification | None:
        """The answer that an equal item has had."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def keep(self, key: Key, answer: Classification) -> None:
        """Remember an answer."""
        if (
            self._versions.setdefault(answer.profile, answer.profile_version)
            != answer.profile_version
        ):
            self._versions = {answer.profile: answer.profile_version}
            self._answers.clear()
        self._answers[key] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

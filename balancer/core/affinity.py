"""Remembers which instance answered a conversation last, so that what that one keeps of it is used again.

Holds a bounded number of conversations, and forgets the one that was quiet for longest. Knows nothing
about whether that instance still lives or has room.
"""

from collections import OrderedDict

MOST = 4096
"""Far more than the prefixes that a fleet's caches hold; a few hundred bytes each."""


class Affinity:
    """The last instance of each conversation. Keys are short: the edge digests what callers say."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._homes: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._homes)

    def remember(self, conversation: str, instance_id: str) -> None:
        """Note who answered; the empty conversation is none."""
        if not conversation:
            return
        self._homes[conversation] = instance_id
        self._homes.move_to_end(conversation)
        if len(self._homes) > self._most:
            self._homes.popitem(last=False)

    def home_of(self, conversation: str) -> str | None:
        """The id of the instance that answered last; None when nobody is remembered."""
        return self._homes.get(conversation)

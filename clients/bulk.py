"""Says what many calls for many texts have in common: how far they run ahead, and who is who.

Knows nothing about threads, tasks or calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidegate.clients.inputs import Item
from tidegate.clients.options import Classifying

# As many labels as a server takes at once by default (its sentiment slots): more would only wait
# in the balancer, fewer leave room in the server's batches.
CONCURRENCY = 16

# Items that may be taken ahead of their turn, for each call under way: one slow answer then doesn't
# stop the others, and a million lines on stdin don't end up in memory.
AHEAD = 4


def named(item: str | Item, position: int) -> Item:
    """The item under its id, which is its position where it has none."""
    if isinstance(item, str):
        return Item(item, str(position))
    if item.item_id:
        return item
    return Item(item.text, str(position), item.profile, item.system_prompt)


def options_of(item: Item, options: Classifying) -> Classifying:
    """What the call of an item is given: what the item leaves open comes from all of them."""
    return Classifying(
        options.profile if item.profile is None else item.profile,
        options.system_prompt if item.system_prompt is None else item.system_prompt,
        options.timeout_s,
    )


def numbered(items: Iterable[str | Item]) -> Iterator[Item]:
    """The items, each under its id."""
    for position, item in enumerate(items):
        yield named(item, position)

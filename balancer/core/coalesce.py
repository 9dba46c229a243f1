"""Decides who is answered together: of equal calls under way, the first is sent and the others wait for its answer.

Whoever leaves, the first one included, leaves the rest to it; the work is for nobody only when the last has left. What makes
calls equal is the key, which the edge makes of all that an instance could see. Knows nothing about answers.
"""

from collections.abc import Hashable


class Coalescing:
    """The calls under way by key, each by a number that is unique."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, set[int]] = {}

    @property
    def waiting(self) -> tuple[int, ...]:
        """How many wait for each of the forwards under way."""
        return tuple(len(calls) for calls in self._calls.values())

    def join(self, key: Hashable, call_id: int) -> bool:
        """Let a call take part; True if it is the first of its kind, which is the one to be sent."""
        calls = self._calls.setdefault(key, set())
        calls.add(call_id)
        return len(calls) == 1

    def leave(self, key: Hashable, call_id: int) -> bool:
        """Let a call go before there is an answer; True if nobody is left to wait for it."""
        calls = self._calls[key]
        calls.remove(call_id)
        if calls:
            return False
        del self._calls[key]
        return True

    def end(self, key: Hashable) -> int:
        """There is an answer, or there will be none; how many waited. The next equal call is a first one."""
        return len(self._calls.pop(key))

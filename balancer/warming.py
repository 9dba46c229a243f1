"""Tells a streaming chat that it waits for an instance to become hot, when it has asked to be told.

The one message that the balancer writes in a stream of an instance's messages, and off the hot path: only while nothing is hot. Knows
nothing about how long that takes.
"""

from typing import Any

from tidegate.v1 import chat_pb2

ASKED = ("tidegate-progress", "true")


def _reply(warming: chat_pb2.Warming) -> bytes:
    return chat_pb2.StreamReplyResponse(warming=warming).SerializeToString()


def _judge_and_reply(warming: chat_pb2.Warming) -> bytes:
    return chat_pb2.JudgeAndReplyResponse(warming=warming).SerializeToString()


_EVENTS = {
    "/tidegate.v1.Chat/StreamReply": _reply,
    "/tidegate.v1.Chat/JudgeAndReply": _judge_and_reply,
}


class Warming:
    """What one call of the method at `path` is told."""

    def __init__(self, path: str, context: Any) -> None:
        self._context = context
        self._event = _EVENTS.get(path)
        self.is_told = False

    @property
    def is_asked_for(self) -> bool:
        """Whether the caller wants to be told, and there is a message for it."""
        return self._event is not None and ASKED in (self._context.invocation_metadata() or ())

    async def tell(self, expected_s: float) -> None:
        """Write the event."""
        if self._event is not None:
            self.is_told = True
            await self._context.write(
                self._event(chat_pb2.Warming(expected_ms=round(expected_s * 1000)))
            )

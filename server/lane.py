"""Which lane a call belongs to, and which lanes an instance of a role takes.

Knows nothing of how many calls a lane takes, or of how they are answered.
"""

from enum import Enum

from typing_extensions import assert_never


class Lane(Enum):
    """The kinds of calls, as they are named on the wire. A degraded one is a chat answered in short."""

    SENTIMENT = "sentiment"
    CHAT = "chat"
    DEGRADED = "degraded"

    @property
    def service(self) -> str:
        """The gRPC service whose methods belong to this lane."""
        match self:
            case Lane.SENTIMENT:
                return "tidegate.v1.Sentiment"
            case Lane.CHAT | Lane.DEGRADED:
                return "tidegate.v1.Chat"
            case _:
                assert_never(self)


class Role(Enum):
    """Which calls an instance takes. The weights are the same for all of them."""

    BOTH = "both"
    SENTIMENT = "sentiment"
    CHAT = "chat"

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of this role; JudgeAndReply belongs to the chat lane."""
        match self:
            case Role.BOTH:
                return (Lane.SENTIMENT, Lane.CHAT, Lane.DEGRADED)
            case Role.SENTIMENT:
                return (Lane.SENTIMENT,)
            case Role.CHAT:
                return (Lane.CHAT, Lane.DEGRADED)
            case _:
                assert_never(self)


class Phase(Enum):
    """Where this instance stands in its life, as it is registered."""

    WARMING = "warming"
    HOT = "hot"
    DRAINING = "draining"

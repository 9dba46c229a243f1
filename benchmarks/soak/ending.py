"""How a call ended, as its caller saw it: exactly one of seven ways. Knows nothing of who counts them."""

from enum import Enum

import grpc

from tidegate.clients import TidegateError


class Kind(Enum):
    """What is called, and how."""

    LABEL = "label"
    LABELS = "label stream"
    CHAT = "chat"
    STREAMED = "streamed chat"
    JUDGED = "judge and reply"
    PAGE = "page"

    @property
    def lane(self) -> str:
        """The lane in which a balancer counts it."""
        return "sentiment" if self in (Kind.LABEL, Kind.LABELS) else "chat"


class End(Enum):
    """What a call came to."""

    FULL = "full"
    SHORT = "short"
    REFUSED = "refused"
    """Told a reason, and when to come back."""
    FAILED = "failed"
    """Ended by a status without a reason of ours: nobody was there, or a connection broke."""
    CUT = "cut"
    """Ended after its first words, before its last."""
    CANCELLED = "cancelled"
    """Its caller hung up."""
    EXPIRED = "expired"


def end_of(error: TidegateError, *, has_begun: bool = False) -> End:
    """How a call ended that an error ended. `has_begun`: some of the answer had come."""
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return End.EXPIRED
    if has_begun:
        return End.CUT
    return End.REFUSED if error.reason else End.FAILED

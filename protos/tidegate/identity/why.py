"""Names the reasons for which somebody may not call, or not go on.

Knows nothing about statuses or the wire.
"""

from enum import Enum


class Why(Enum):
    """Why somebody may not call: the `reason` of google.rpc.ErrorInfo, and a metric's label."""

    NO_CREDENTIALS = "NO_CREDENTIALS"
    """Neither a token nor a certificate was shown."""
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105
    """The token is nobody's, or is no longer."""
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105
    """The token was somebody's until a time that is over."""
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    """The certificate is on the list of those that count no more."""
    CALLER_UNKNOWN = "CALLER_UNKNOWN"
    """The certificate is good, and its names are none of those that may call."""
    NOT_ALLOWED = "NOT_ALLOWED"
    """A caller who is known, and may not call this."""
    INPUT_TOO_LARGE = "INPUT_TOO_LARGE"
    """More than this caller may send in one message."""
    RATE_EXCEEDED = "RATE_EXCEEDED"
    """More calls a second than this caller may make."""
    STALLED = "STALLED"
    """Nothing came in a stream whose every message was answered, for longer than a slot is held for that."""
    TOO_MANY_WATCH = "TOO_MANY_WATCH"
    """As many calls of health, reflection and the fleet are under way as may be."""

"""Says how much a browser may send, and for how long a call may take.

Knows nothing about HTTP or gRPC.
"""

from __future__ import annotations

from dataclasses import dataclass

# A character is four bytes of UTF-8 at most, and JSON doubles a quote or a line's end.
_BYTES_PER_CHARACTER = 8
_FRAME_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one call, told to the page so that it can refuse before it sends.

    characters: of all turns of a conversation together; the server's own default.
    deadline_s: what a call may take when the page doesn't say; longest_deadline_s: when it does.
    patience_s: what a connection may keep waiting for its next head, or for taking what it asked for.
    """

    characters: int = 32_768
    turns: int = 400
    deadline_s: float = 60.0
    longest_deadline_s: float = 300.0
    patience_s: float = 10.0

    @property
    def body_bytes(self) -> int:
        """The longest body that can hold a call within the other limits."""
        return self.characters * _BYTES_PER_CHARACTER + _FRAME_BYTES

"""Tokens to text as they come: whole characters only, and nothing from a stop text on.

Pure given a tokenizer. A piece is held back while it could still be the beginning of a stop
text, or while its last character is incomplete.
"""

from tidegate.server.engine.sequence import Tokenizer

# What a decoder writes for bytes that are not (yet) a character.
_INCOMPLETE = "\ufffd"
# A UTF-8 character has at most 4 bytes, so an incomplete one is at most 3 byte tokens long;
# after more than that the U+FFFD is the model's own.
_MAX_HELD_TOKENS = 4


class TextStream:
    """The text of one reply."""

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._tokens: list[int] = []
        # Tokens before `_begin` only serve as context: decoders treat the first token specially.
        self._begin = 0
        self._read = 0
        self._held = ""
        self.is_stopped = False

    def push(self, token: int) -> str:
        """Take the next token; return the text that is certain now, often empty."""
        self._tokens.append(token)
        before = self._tokenizer.decode(self._tokens[self._begin : self._read])
        after = self._tokenizer.decode(self._tokens[self._begin :])
        if not after.endswith(_INCOMPLETE):
            self._begin, self._read = self._read, len(self._tokens)
            return self._release(after[len(before) :])
        if len(self._tokens) - self._read < _MAX_HELD_TOKENS:
            return ""
        # The oldest of them can't be completed any more; those after it still can.
        oldest = self._tokenizer.decode(self._tokens[self._begin : self._read + 1])
        self._begin = self._read = self._read + 1
        return self._release(oldest[len(before) :])

    def flush(self) -> str:
        """Return what is still held back, at the end of a reply; an incomplete character is lost."""
        if self.is_stopped:
            return ""
        before = self._tokenizer.decode(self._tokens[self._begin : self._read])
        after = self._tokenizer.decode(self._tokens[self._begin :])
        piece = self._release(after[len(before) :].rstrip(_INCOMPLETE))
        if not self.is_stopped:
            piece, self._held = piece + self._held, ""
        return piece

    def _release(self, piece: str) -> str:
        text = self._held + piece
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.is_stopped = True
            self._held = ""
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Return how many of the last characters of `text` are a beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0

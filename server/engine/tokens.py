"""The tokenizer of a model folder, without the rest of transformers.

Reads `tokenizer.json` by the library that wrote it; knows nothing of chat templates.
"""

from collections.abc import Sequence
from pathlib import Path

import tokenizers


class FolderTokenizer:
    """Text to ids and back with a folder's `tokenizer.json`; thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        # A caller's "<|im_end|>" is text, never the token that ends a turn.
        self._tokenizer.encode_special_tokens = True
        self._special = {
            token.content: number
            for number, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        }

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def special(self, token: str) -> int | None:
        """Return the id of a special token, or None."""
        return self._special.get(token)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens` without special tokens."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text

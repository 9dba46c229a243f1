"""Keeps a file of hashed tokens: adds one, takes some out, and replaces it as a whole, so that nobody reads half of it.

Knows nothing about who reads it; what a line says is tidegate.identity's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tidegate.identity.tokens import TokenLine, new_token, read_lines

FIELD = "--file"


class TokenFile:
    """The file at `path`, which need not be there yet. Methods raise IdentityError for one that can't be read as such."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<TokenFile {self.path}>"

    def lines(self) -> list[TokenLine]:
        """The tokens' lines, in order."""
        return read_lines(FIELD, self._text())

    def add(self, name: str, expires: datetime | None = None) -> str:
        """Add a token for `name` and return it; it is shown this once and kept nowhere."""
        token = new_token()
        line = TokenLine.of(name, token, expires)
        self.lines()
        text = self._text()
        self._write(text + ("" if text.endswith("\n") or not text else "\n") + f"{line}\n")
        return token

    def take_out(self, is_meant: Callable[[TokenLine], bool]) -> list[TokenLine]:
        """Take out the lines that are meant, and return them. Comments stay."""
        gone = [line for line in self.lines() if is_meant(line)]
        kept = [each for each in self._text().splitlines() if not _is_of(each, gone)]
        if gone:
            self._write("".join(f"{each}\n" for each in kept))
        return gone

    def _text(self) -> str:
        try:
            return self.path.read_text("utf-8")
        except FileNotFoundError:
            return ""

    def _write(self, text: str) -> None:
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600
        number, made = tempfile.mkstemp(dir=self.path.absolute().parent, prefix=".tokens-")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            Path(made).chmod(mode)
            Path(made).replace(self.path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise


def _is_of(text: str, lines: list[TokenLine]) -> bool:
    return any(f"sha256:{line.digest.hex()}" in text.split()[1:2] for line in lines)

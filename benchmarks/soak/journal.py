"""Writes what happens as lines of JSON, each when it happens, so that the soak itself remembers little; reads them again.

Knows nothing of what the lines mean.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Line = dict[str, Any]


class Journal:
    """A file of lines, each with the seconds since the start (`at_s`) and what it is (`what`)."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8")
        self._began_s = time.monotonic()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began_s

    def write(self, what: str, **facts: Any) -> None:
        """Add a line."""
        line = {"at_s": round(self.now_s, 3), "what": what, **facts}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def read(path: Path) -> list[Line]:
    """Return the lines of a file."""
    return list(_lines(path))


def _lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)

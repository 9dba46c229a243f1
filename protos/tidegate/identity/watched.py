"""Keeps what is read from files, and reads it anew when one of them has changed.

A change that can't be read is told once, and what was read before goes on to count: half of a renewed pair must not
take a listener down. Knows nothing about what is in the files.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from tidegate.identity.problem import IdentityError

LOOK_S = 1.0
"""How often the files are looked at, at most: a change counts after this time at the latest."""

_Read = TypeVar("_Read")
_Marks = tuple[tuple[int, int, int] | None, ...]

_log = structlog.get_logger("tidegate.identity")


class Watched(Generic[_Read]):
    """What `read` makes of `paths`. It raises IdentityError at first, later only the log tells.

    `field` names the setting, for people. Any thread may ask.
    """

    def __init__(
        self,
        field: str,
        paths: Sequence[Path],
        read: Callable[[], _Read],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._field = field
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._marks = self._look()
        self._value = self._attempt()
        self._version = 0
        self._due_s = clock() + LOOK_S

    def __repr__(self) -> str:
        return f"<Watched {self._field}: {', '.join(map(str, self._paths))}>"

    @property
    def value(self) -> _Read:
        """What the files say, no older than `LOOK_S`."""
        if self._clock() >= self._due_s:
            with self._lock:
                self._refresh()
        return self._value

    @property
    def version(self) -> int:
        """How often the value has changed; ask for the value first."""
        return self._version

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._due_s:
            return
        self._due_s = now + LOOK_S
        marks = self._look()
        if marks == self._marks:
            return
        try:
            value = self._attempt()
        except IdentityError as error:
            self._marks = marks
            _log.warning(
                "changed file not taken: what was read before still counts", why=str(error)
            )
            return
        if self._look() != marks:
            # It is being written: what was read may be half of each.
            return
        self._marks, self._value = marks, value
        self._version += 1
        _log.info("changed file taken", setting=self._field)

    def _attempt(self) -> _Read:
        try:
            return self._read()
        except (OSError, UnicodeDecodeError) as error:
            where = getattr(error, "filename", None) or ", ".join(map(str, self._paths))
            why = error.strerror if isinstance(error, OSError) and error.strerror else "is not text"
            raise IdentityError(
                f"{self._field}: {where} can't be read: {why}; check the path, and that this process may read it"
            ) from None

    def _look(self) -> _Marks:
        return tuple(map(_mark, self._paths))


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file does, also behind a link as Kubernetes moves them."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size

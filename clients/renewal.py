"""Says when a client needs a new connection, because the files of its TLS have changed.

Looks at them once a second at most, and only when asked. Knows nothing about channels.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.clients.tls import Tls
from tidegate.identity.pems import PemFiles
from tidegate.identity.problem import IdentityError

LOOK_S = 1.0

_Marks = tuple[tuple[int, int, int] | None, ...]


class Renewal:
    """Watches the files of `tls`; what is given as bytes never changes."""

    def __init__(self, tls: Tls | None, clock: Callable[[], float] = time.monotonic) -> None:
        pems = () if tls is None else (tls.ca, tls.cert, tls.key)
        self._ca, self._cert, self._key = (
            Path(each) if isinstance(each, (str, Path)) else None for each in pems or (None,) * 3
        )
        self._clock = clock
        self._marks = self._look()
        self._due_s = clock() + LOOK_S

    def is_due(self) -> bool:
        """Whether they hold something else than when this was last so, or at first, that can be used.

        Half of a renewed pair can't: that is asked for again a second later.
        """
        now = self._clock()
        if now < self._due_s:
            return False
        self._due_s = now + LOOK_S
        marks = self._look()
        if marks == self._marks or not self._is_usable() or marks != self._look():
            return False
        self._marks = marks
        return True

    def _is_usable(self) -> bool:
        # A pair of which one half is bytes can't be compared here, and doesn't change as one.
        is_pair = self._cert is not None and self._key is not None
        cert, key = (self._cert, self._key) if is_pair else (None, None)
        try:
            PemFiles("tls", cert, key, self._ca).read()
        except IdentityError:
            return False
        return True

    def _look(self) -> _Marks:
        files = (self._ca, self._cert, self._key)
        return tuple(None if each is None else _mark(each) for each in files)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size

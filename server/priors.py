"""Remembers on disk what the model says of a profile's calibration texts.

That takes seconds of computing and never changes while model and token ids stay the same, so a later
start reads it. Knows nothing of profiles; whoever asks says what the answer depends on.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from tidegate.server.engine.whole_file import write_whole

# Of all models and all versions of profiles together; the oldest are forgotten first.
_MOST = 256

log = structlog.get_logger()


class Priors:
    """The file `priors.json` in a folder. Without a folder nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / "priors.json"

    async def get(
        self, depends_on: Sequence[Any], compute: Callable[[], Awaitable[tuple[float, ...]]]
    ) -> tuple[float, ...]:
        """Return what is remembered for `depends_on` (plain JSON values), or compute and remember it."""
        key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]
        if (known := self._read().get(key)) is not None:
            return tuple(known)
        prior = await compute()
        self._write({**self._read(), key: list(prior)})
        return prior

    def _read(self) -> dict[str, list[float]]:
        """Return what is there; a file that can't be read is written anew."""
        try:
            found = json.loads(self._file.read_text("utf-8")) if self._file else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, priors: dict[str, list[float]]) -> None:
        if self._file is None:
            return
        latest = dict(list(priors.items())[-_MOST:])
        try:
            write_whole(self._file, json.dumps(latest).encode())
        except OSError as error:
            log.warning("the priors can't be kept", file=str(self._file), error=str(error))

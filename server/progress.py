"""Shows how far the loading of the model is: a bar for people, a line a stage for logs.

Knows nothing of what the stages are.
"""

import sys
import threading
from typing import TextIO

import structlog

_WIDTH = 30

log = structlog.get_logger()


class Progress:
    """Called as `progress(stage, done, total)`, from any thread."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._stage = ""
        self._percent = -1
        self._lock = threading.Lock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` units of `stage` are done."""
        percent = 100 * min(done, total) // total if total > 0 else 100
        with self._lock:
            if (stage, percent) == (self._stage, self._percent):
                return
            is_new = stage != self._stage
            self._stage, self._percent = stage, percent
            if self._stream.isatty():
                self._draw(stage, percent)
            elif is_new:
                log.info("loading", stage=stage)

    def _draw(self, stage: str, percent: int) -> None:
        bar = "█" * (_WIDTH * percent // 100)
        end = "\n" if percent == 100 else ""
        self._stream.write(f"\r\x1b[K{stage} {bar:·<{_WIDTH}} {percent:3d} %{end}")
        self._stream.flush()

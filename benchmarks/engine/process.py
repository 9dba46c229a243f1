"""A contender as the conductor sees it: a process that answers asks.

Knows nothing of what is measured.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class ContenderError(Exception):
    """A contender could not do what it was asked."""


class Contender:
    """One contender in a process of its own, for the length of a `with` block.

    `options` are the constructor's. Its standard error goes to `log`, to be read when it fails.
    """

    def __init__(self, name: str, options: dict[str, Any], log: Path) -> None:
        self.name = name
        self._options = options
        self._log = log

    def __enter__(self) -> "Contender":
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.engine.worker",
                    self.name,
                    json.dumps(self._options),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                text=True,
                encoding="utf-8",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        # The end of its input is the end of its loop.
        self._process.communicate()

    def ask(self, what: str, **details: Any) -> Any:
        """Return the answer to one ask. Raises ContenderError with the contender's own words."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ContenderError(f"{self.name} was not started")
        try:
            self._process.stdin.write(json.dumps({"ask": what, **details}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ContenderError(
                f"{self.name} ended while it was asked for {what}; see {self._log}"
            )
        reply = json.loads(line)
        if "error" in reply:
            raise ContenderError(f"{self.name}: {reply['error']}")
        return reply["answer"]

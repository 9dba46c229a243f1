"""A process that serves while something is measured: started, waited for, always ended.

Knows nothing of what it serves.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

_PATIENCE_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]


class ChildError(Exception):
    """A process did not come up; the message names its log."""


class Child:
    """One process, for the length of a `with` block; what it prints goes to `log`."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self._command = command
        self._log = log

    def __enter__(self) -> "Child":
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=_ROOT
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def wait_until(self, is_up: Callable[[], bool]) -> None:
        """Return when `is_up` holds. Raises ChildError when the process ends or takes too long."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while not is_up():
            if self._process.poll() is not None or time.monotonic() > give_up_s:
                raise ChildError(f"{self.name} did not come up; see {self._log}")
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """Return how many seconds of a core it and its children have used. Linux only; 0 elsewhere."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        children = [int(each) for task in tasks for each in task.read_text("ascii").split()]
        return sum(map(_cpu_s, (self._process.pid, *children)))


def _cpu_s(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Return whether somebody takes connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

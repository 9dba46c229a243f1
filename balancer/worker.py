"""One of several balancers that share a port: `python -m tidegate.balancer.worker`, started by crew.py.

Reads its settings from stdin, which stays open as long as its parent lives, and says on stdout when it listens.
Drains on SIGTERM, and when the parent is gone. Knows nothing about the other workers.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from tidegate.balancer.allocation import return_large_blocks
from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.garbage import spare_calls
from tidegate.balancer.logs import set_up_logs
from tidegate.balancer.sidecar import Sidecar, StartError

LISTENS = b"listens\n"
MEET_FLEET_S = 3.0
"""A worker that takes the place of a dead one gets new connections as soon as it listens, and until it
knows its instances it could only shed."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker is told at its start: everybody's settings, and which of them it is, from 1."""

    settings: BalancerSettings
    number: int

    def line(self) -> bytes:
        """The part as one line."""
        said = {"number": self.number, "settings": self.settings.model_dump(mode="json")}
        return json.dumps(said).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Part":
        """Read what `line` wrote."""
        said = json.loads(line)
        return cls(BalancerSettings.restored(said["settings"]), said["number"])


class _Parent(asyncio.Protocol):
    """The other end of stdin: settings that were read anew, each in a line, and at last its end."""

    def __init__(self, is_gone: asyncio.Event, adopt: Callable[[BalancerSettings], None]) -> None:
        self._is_gone = is_gone
        self._adopt = adopt
        self._said = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            self._adopt(Part.read(line).settings)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_gone.set()


async def _live(part: Part) -> None:
    loop = asyncio.get_running_loop()
    is_over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, is_over.set)
    worker = f"{part.number} of {part.settings.workers}"
    sidecar = Sidecar(part.settings, version("tidegate"), worker)
    parent, _ = await loop.connect_read_pipe(lambda: _Parent(is_over, sidecar.adopt), sys.stdin)
    await sidecar.start(MEET_FLEET_S)
    spare_calls()
    sys.stdout.buffer.write(LISTENS)
    sys.stdout.buffer.flush()
    await is_over.wait()
    await sidecar.drain()
    parent.close()


def main() -> None:
    """Live as a worker. Exits with 0 after a drain, 1 when it can't start."""
    return_large_blocks()
    # Without a buffer, which would keep what may follow.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        part = Part.read(stdin.readline())
    set_up_logs(part.settings.log_format, worker=part.number)
    try:
        asyncio.run(_live(part))
    except StartError as error:
        sys.stderr.write(f"tidegate-balancer: worker {part.number}: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

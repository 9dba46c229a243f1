"""Keeps one process running, as a service manager would: whenever it ends, it is started again a second later."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

RESTART_S = 1.0
_ROOT = Path(__file__).resolve().parents[2]
_END_S = 50.0


class PartError(Exception):
    """A process did not come up; the message names its log."""


class Part:
    """One process and those that follow it; what they print goes to `log`, one after another."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.lives = 0
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._is_wanted = False

    def __repr__(self) -> str:
        return f"<Part {self.name} | {self.pid or 'away'}, life {self.lives}>"

    @property
    def pid(self) -> int:
        """The process that runs now; 0 for none."""
        running = self._process
        return 0 if running is None or running.returncode is not None else running.pid

    async def start(self) -> None:
        """Start it, and keep it running from now on."""
        self._is_wanted = True
        await self._begin()
        self._keeping = asyncio.ensure_future(self._keep())

    async def stop(self) -> int | None:
        """Ask it to end and return its exit code; None when it had to be killed."""
        self._is_wanted = False
        if self._keeping is None or self._process is None or not self.pid:
            return None
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(self._process.wait(), _END_S)
        await self.kill()
        return None

    async def kill(self) -> None:
        """End it for good, at once."""
        self._is_wanted = False
        if self._keeping is not None:
            self._keeping.cancel()
        if self._process is not None and self.pid:
            self._process.kill()
            await self._process.wait()

    async def _keep(self) -> None:
        while self._is_wanted and self._process is not None:
            await self._process.wait()
            await asyncio.sleep(RESTART_S)
            if self._is_wanted:
                await self._begin()

    async def _begin(self) -> None:
        self.lives += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                env={**os.environ, "TIDEGATE_LANG": "en"},
            )

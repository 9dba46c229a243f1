"""One child process: starts it out of the terminal's reach, ends it, says how it ended.

Knows nothing about what the child is for, nor about its siblings.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

_LEASH = str(Path(__file__).with_name("leash.py"))
_STDERR = 2
_LAST_WORDS_BYTES = 2_000


class Output(Enum):
    """What becomes of what a child prints."""

    SHOWN = "shown"  # goes to our stderr: stdout is for answers
    KEPT = "kept"  # is shown only if the child dies
    PIPED = "piped"  # stdin and stdout are ours to `tell` and to `hear`; stderr is kept


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and how a person calls it."""

    name: str
    argv: tuple[str, ...]
    output: Output = Output.SHOWN


class Child:
    """A running command. It ends at the latest with us, even when we are killed (on Linux)."""

    def __init__(
        self, command: Command, process: asyncio.subprocess.Process, kept: IO[bytes] | None
    ) -> None:
        self.command = command
        self._process = process
        self._kept = kept

    def __repr__(self) -> str:
        return f"<Child {self.command.name} | pid {self.pid}, {self.how_it_ended()}>"

    @classmethod
    async def start(cls, command: Command) -> Child:
        """Start it in a session of its own, so that the terminal's Ctrl-C is ours alone.

        Must be awaited on the main thread: on Linux the child's life is bound to the thread
        that started it.
        """
        # A file without a name: nothing is left behind, and no pipe can fill up.
        kept = None if command.output is Output.SHOWN else tempfile.TemporaryFile()  # noqa: SIM115
        pipe = asyncio.subprocess.PIPE if command.output is Output.PIPED else None
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            _LEASH,
            str(os.getpid()),
            *command.argv,
            stdin=pipe or asyncio.subprocess.DEVNULL,
            stdout=pipe or kept or _STDERR,
            stderr=kept or _STDERR,
            start_new_session=True,
        )
        return cls(command, process, kept)

    @property
    def pid(self) -> int:
        """The process id; also that of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it."""
        return self._process.returncode

    async def ended(self) -> Child:
        """Wait until it has ended."""
        await self._process.wait()
        return self

    async def end(self, grace_s: float) -> None:
        """Ask it to end, and kill it and all that it started when it has not after grace_s."""
        if self.exit_code is None:
            # Not Process.terminate: it polls, which can take the exit code away from the thread
            # of asyncio that waits for it, and asyncio then makes one up (255).
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
            except asyncio.TimeoutError:
                self.kill()
                await self._process.wait()
        if self._kept is not None:
            self._kept.close()

    def kill(self) -> None:
        """Kill it and all that it started, if it still runs."""
        if self.exit_code is None:
            # It may have ended in this very moment.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def how_it_ended(self) -> str:
        """For people: its exit code, or the name of the signal that killed it."""
        code = self.exit_code
        if code is None:
            return "is running"
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was killed by {signal.Signals(-code).name}"

    async def tell(self, line: str) -> None:
        """Write a line to its stdin; one that has ended doesn't hear it."""
        if self._process.stdin is None:
            raise RuntimeError(f"{self!r} has no pipe")
        with suppress(ConnectionError):
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def hear(self) -> str:
        """Wait for a line of its stdout; an empty one says that it has closed it."""
        if self._process.stdout is None:
            raise RuntimeError(f"{self!r} has no pipe")
        return (await self._process.stdout.readline()).decode(errors="replace")

    def last_words(self, at_most_bytes: int = _LAST_WORDS_BYTES) -> str:
        """The end of what it printed, if that was kept."""
        if self._kept is None or self._kept.closed:
            return ""
        # Not read: the child writes where we would have left off.
        number = self._kept.fileno()
        start = max(0, os.fstat(number).st_size - at_most_bytes)
        return os.pread(number, at_most_bytes, start).decode(errors="replace").strip()

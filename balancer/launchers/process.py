"""Keeps instances as processes of this machine.

Each runs in a session of its own, out of the terminal's reach, and is on record in a folder: a balancer that comes after
one that was killed adopts what that left, and two that share the folder never start one thing twice. Unless they may outlive it,
they end with the balancer that started them, whatever ends that (on Linux; elsewhere a balancer that is killed leaves them to
the next). Knows nothing about what the processes are.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.cradle import birth_of
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.ledger import Ledger, Record

DRAIN_S = 40.0
"""How long one that was told to stop may take."""
BIRTH_S = 20.0
LOOK_S = 0.05

_CRADLE = str(Path(__file__).with_name("cradle.py"))

_log = structlog.get_logger("tidegate.balancer.launchers.process")


class ProcessLauncher:
    """Starts `commands[role]`, as many as it is told; `state` is the folder of their records and logs."""

    def __init__(
        self,
        commands: Mapping[Role, Sequence[str]],
        state: Path,
        *,
        outlive: bool,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._commands = commands
        self._drain_s = drain_s
        self._ledger = Ledger(state)
        self._bound_to = 0 if outlive else os.getpid()
        self._endings: dict[str, asyncio.Task[None]] = {}
        self._news: dict[Role, list[str]] = {role: [] for role in Role}

    def __repr__(self) -> str:
        return f"<ProcessLauncher {self._ledger} | {len(self._endings)} ending>"

    async def open(self) -> None:
        """Take over what runs by the records, and go on stopping what was being stopped."""
        self._ledger.open()
        async with self._ledger.held():
            for record in self._ledger.records():
                if record.is_ending:
                    self._end(record)
                elif record.is_alive:
                    _log.info("instance adopted", role=record.role.value, pid=record.pid)
                else:
                    how = _how(record.pid) or "ended"
                    _log.warning("instance was gone", how=_epitaph(record, how))
                    self._ledger.remove(record)

    async def count(self, role: Role) -> int:
        """How many of `role` run. Raises LaunchError, once, for each that ended without being told to."""
        async with self._ledger.held():
            kept = self._kept(role)
        if self._news[role]:
            raise LaunchError(self._news[role].pop(0))
        return len(kept)

    async def keep(self, role: Role, count: int) -> None:
        """Start or stop as many as it takes; the latest goes first."""
        async with self._ledger.held():
            kept = self._kept(role)
            for _ in range(count - len(kept)):
                await self._start(role)
            for record in kept[count:][::-1]:
                self._end(self._ledger.mark_ending(record))

    async def close(self) -> None:
        """Let go of what may outlive this balancer; the others end now, and are waited for."""
        if self._bound_to:
            async with self._ledger.held():
                for record in self._ledger.records():
                    if not record.is_ending and record.bound_to in (0, self._bound_to):
                        self._end(self._ledger.mark_ending(record))
            await asyncio.gather(*self._endings.values(), return_exceptions=True)
        for ending in self._endings.values():
            ending.cancel()
        await asyncio.gather(*self._endings.values(), return_exceptions=True)

    def _kept(self, role: Role) -> list[Record]:
        """Those that run and weren't told to stop, the oldest first; what has ended is forgotten."""
        kept = []
        for record in self._ledger.records():
            if record.is_ending:
                continue
            how = None if record.is_alive else _how(record.pid)
            if how is not None:
                self._news[record.role].append(_epitaph(record, how))
                self._ledger.remove(record)
            elif record.role is role:
                kept.append(record)
        return kept

    async def _start(self, role: Role) -> None:
        path = self._ledger.new(role)
        pid, log = self._spawn(role, path), path.with_suffix(".log")
        loop = asyncio.get_running_loop()
        until_s = loop.time() + BIRTH_S
        while not path.exists():
            if birth_of(pid) is None or loop.time() > until_s:
                how = _how(pid) or "hangs"
                raise LaunchError(f"an instance of role {role.value} {how} at birth (log: {log})")
            await asyncio.sleep(LOOK_S)
        _log.info("instance started", role=role.value, pid=pid, log=str(log))

    def _spawn(self, role: Role, record: Path) -> int:
        """Start one in its cradle. Not by asyncio or subprocess, whose children must not outlive them."""
        cradle = (sys.executable, "-I", "-S", _CRADLE, str(record), str(self._bound_to))
        log = str(record.with_suffix(".log"))
        try:
            return os.posix_spawn(
                sys.executable,
                (*cradle, *self._commands[role]),
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
            )
        except OSError as error:
            raise LaunchError(f"process.state: {self._ledger}: {error.strerror}") from None

    def _end(self, record: Record) -> None:
        self._endings[record.path.stem] = asyncio.ensure_future(self._stop(record))

    async def _stop(self, record: Record) -> None:
        """Ask it to drain, and kill it and all that it started when that takes too long."""
        _send(record, signal.SIGTERM)
        if not await _has_ended(record, self._drain_s):
            _log.warning("instance killed: it did not drain", pid=record.pid)
            _send(record, signal.SIGKILL)
            await _has_ended(record, self._drain_s)
        how = _how(record.pid) or "hangs"
        self._ledger.remove(record)
        self._endings.pop(record.path.stem, None)
        _log.info("instance stopped", role=record.role.value, pid=record.pid, how=how)


def _epitaph(record: Record, how: str) -> str:
    """How it ended, and its last line."""
    words = record.last_words()
    said = f": {words}" if words else ""
    return f"an instance of role {record.role.value} {how}{said} (log: {record.log})"


def _how(pid: int) -> str | None:
    """How a process ended, as far as that is ours to know: who adopts one is not its parent.

    None when it hasn't quite: one that was killed is dead to see before its last thread is.
    """
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "ended"
    if not ended:
        return None
    code = os.waitstatus_to_exitcode(status)
    return (
        f"was killed by {signal.Signals(-code).name}"
        if code < 0
        else f"ended with exit code {code}"
    )


async def _has_ended(record: Record, within_s: float) -> bool:
    """Whether it ends in time."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    while record.is_alive:
        if loop.time() > until_s:
            return False
        await asyncio.sleep(LOOK_S)
    return True


def _send(record: Record, number: signal.Signals) -> None:
    """Send a signal to one that is still itself; one that kills goes to all that it started, too."""
    if record.is_alive:
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(record.pid, number)
            else:
                os.kill(record.pid, number)

"""Carries out the plan of blows: finds the victim, sends the signal, lets a stopped one go on."""

import asyncio
import contextlib
import os
import signal

from benchmarks.soak.journal import Journal
from benchmarks.soak.mischief import Blow, How, Kind
from benchmarks.soak.samples import sample
from benchmarks.soak.system import System

_LOOKS, _LOOK_S = 250, 0.02


class Striker:
    """Strikes one system. `spared` are instances that nothing happens to."""

    def __init__(self, system: System, journal: Journal, spared: list[int]) -> None:
        self._system = system
        self._journal = journal
        self._spared = spared
        self._stopped: set[int] = set()

    @property
    def is_holding(self) -> bool:
        """Whether something is stopped now."""
        return bool(self._stopped)

    async def strike(self, blow: Blow, *, is_sparing: bool) -> str:
        """Hit one; returns when a stopped one goes on again. Says what was hit, or that nothing was there."""
        name, pid = self._victim(blow, is_sparing)
        if not pid:
            return f"{blow.kind.value} was away already"
        self._journal.write(
            "blow", kind=blow.kind.value, how=blow.how.value, name=name, for_s=blow.for_s
        )
        match blow.how:
            case How.KILL:
                _send(pid, signal.SIGKILL)
                await _gone(pid)
                return f"{name} killed"
            case How.STOP:
                _send(pid, signal.SIGSTOP)
                self._stopped.add(pid)
                try:
                    await asyncio.sleep(blow.for_s)
                finally:
                    self._stopped.discard(pid)
                    _send(pid, signal.SIGCONT)
                return f"{name} stopped for {blow.for_s:.1f} s"

    def _victim(self, blow: Blow, is_sparing: bool) -> tuple[str, int]:
        if blow.kind is Kind.INSTANCE:
            pids = [pid for pid in self._system.instance_pids() if pid not in self._spared]
            pid = pids[int(blow.chance * len(pids))] if pids else 0
            return f"instance {pid}", pid
        parts = self._system.parts()[blow.kind]
        if blow.kind is Kind.BALANCER and is_sparing:
            parts = parts[1:]
        part = parts[int(blow.chance * len(parts))]
        return part.name, part.pid


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def _gone(pid: int) -> None:
    """Return when the process is: a signal takes its time."""
    for _ in range(_LOOKS):
        if sample(pid) is None:
            return
        await asyncio.sleep(_LOOK_S)

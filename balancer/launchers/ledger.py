"""The folder in which the processes of a fleet are on record, shared by the balancers of one machine.

One record an instance: ROLE-NAME.json while it is kept, ROLE-NAME.ending from when it was told to stop, and its log beside
it. A process counts by its id and its birth together, so that an id that the system gave to another is never taken
for ours. Knows nothing about how they are started, or how many are wanted.
"""

import asyncio
import fcntl
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.cradle import birth_of
from tidegate.balancer.launchers.launcher import LaunchError

LOCK_S = 30.0
"""Whoever holds the folder for longer hangs."""
LOOK_S = 0.02
LOGS_KEPT = 10
"""Logs of instances that ended by themselves, for whoever wants to know why."""
LAST_WORDS_BYTES = 2_000
LAST_WORDS_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Record:
    """One process that was started. `bound_to` is the process that it ends with, 0 for none."""

    path: Path
    role: Role
    pid: int
    birth: str
    bound_to: int

    @property
    def is_alive(self) -> bool:
        """Whether it still runs: the very process, and not another one with its id."""
        return birth_of(self.pid) == self.birth

    @property
    def is_ending(self) -> bool:
        """Whether it was told to stop."""
        return self.path.suffix == ".ending"

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.path.with_suffix(".log")

    def last_words(self) -> str:
        """The last line of its output; empty when there is none."""
        try:
            said = self.log.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
        except OSError:
            return ""
        return (said.strip().splitlines() or [""])[-1].strip()[:LAST_WORDS_CHARACTERS]


class Ledger:
    """The records of one folder. Every method raises LaunchError when the folder can't be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def open(self) -> None:
        """Make the folder if it isn't there."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "lock").touch()
        except OSError as error:
            raise self._problem(error) from None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the folder alone: of several balancers one looks and acts at a time."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + LOCK_S
        try:
            lock = (self._folder / "lock").open("wb")
        except OSError as error:
            raise self._problem(error) from None
        with lock:
            while not _is_taken(lock):
                if loop.time() > until_s:
                    raise LaunchError(
                        f"process.state: another balancer has held {self._folder} for {LOCK_S:g} s; "
                        "end it, or name another folder"
                    )
                await asyncio.sleep(LOOK_S)
            yield

    def new(self, role: Role) -> Path:
        """A path for the record of one more."""
        return self._folder / f"{role.value}-{secrets.token_hex(4)}.json"

    def records(self) -> list[Record]:
        """All of them, the oldest first."""
        try:
            paths = [*self._folder.glob("*.json"), *self._folder.glob("*.ending")]
            dated = sorted((path.stat().st_mtime_ns, path) for path in paths)
        except OSError as error:
            raise self._problem(error) from None
        return [self.read(path) for _, path in dated]

    def read(self, path: Path) -> Record:
        """The record at `path`."""
        try:
            facts = json.loads(path.read_text("utf-8"))
            role = Role(path.stem.partition("-")[0])
            return Record(path, role, facts["pid"], facts["birth"], facts["bound_to"])
        except OSError as error:
            raise self._problem(error) from None
        except (ValueError, KeyError, TypeError):
            raise LaunchError(
                f"process.state: {path} is no record of an instance; take it away"
            ) from None

    def mark_ending(self, record: Record) -> Record:
        """Note that it was told to stop."""
        path = record.path.with_suffix(".ending")
        try:
            record.path.rename(path)
        except OSError as error:
            raise self._problem(error) from None
        return replace(record, path=path)

    def remove(self, record: Record) -> None:
        """Forget one that has ended. The log of one that wasn't told to is kept for a while."""
        record.path.unlink(missing_ok=True)
        if record.is_ending:
            record.log.unlink(missing_ok=True)
        kept = {path.stem for path in self._folder.glob("*.json")}
        kept |= {path.stem for path in self._folder.glob("*.ending")}
        logs = [path for path in self._folder.glob("*.log") if path.stem not in kept]
        for log in sorted(logs, key=lambda path: path.stat().st_mtime_ns)[:-LOGS_KEPT]:
            log.unlink(missing_ok=True)

    def _problem(self, error: OSError) -> LaunchError:
        return LaunchError(
            f"process.state: {self._folder}: {error.strerror}; a folder is needed that the "
            "balancer can write to"
        )


def _is_taken(lock: IO[bytes]) -> bool:
    """Take the lock; False while another one has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

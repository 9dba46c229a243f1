"""One contestant while it runs, as the bench sees it: it labels and it chats.

Knows nothing about what is measured, nor about which contestant it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from tidegate.clients.bench.measured import Name
from tidegate.clients.local.child import Child, Command

# A contestant that is asked to end has nothing left to finish.
_GRACE_S = 10.0


class BenchError(Exception):
    """The comparison can't go on; the message is one line that says why."""


class Session(Protocol):
    """A running contestant."""

    name: Name
    child: Child

    async def first_label(self, text: str) -> str:
        """Wait for the first answer after the start."""
        ...

    async def label(self, text: str) -> str:
        """The label that it gives to a text, or what it says instead."""
        ...

    def chat(self, text: str, tokens: int) -> AsyncGenerator[int, None]:
        """Reply with at most `tokens` tokens: yields 0 at the first words, their number at the end."""
        ...


@asynccontextmanager
async def started(command: Command) -> AsyncIterator[Child]:
    """A child for the length of a block; killed at once when the block fails."""
    child = await Child.start(command)
    try:
        yield child
    except BaseException:
        child.kill()
        raise
    finally:
        await child.end(_GRACE_S)


def failure(child: Child) -> BenchError:
    """What there is to say of a child that has ended: how, and the last line of its log."""
    lines = child.last_words().splitlines()
    words = f": {lines[-1].strip()}" if lines else ""
    return BenchError(f"{child.command.name} {child.how_it_ended()}{words}")


def peak_bytes(child: Child) -> int | None:
    """The most memory that it has had resident; None where the system doesn't tell (not Linux)."""
    try:
        status = Path(f"/proc/{child.pid}/status").read_text("ascii")
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None

"""Runs `tidegate` as a shell does, and waits for conditions."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finished:
    """What a `tidegate` command left behind."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Shell:
    """Runs `tidegate` as a shell would: another process, pipes for streams."""

    address: str
    environment: dict[str, str] = field(default_factory=dict)

    async def start(self, *arguments: str, **streams: object) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate.clients",
            *arguments,
            env={**os.environ, "TIDEGATE_ADDRESS": self.address, **self.environment},
            **{"stdin": pipe, "stdout": pipe, "stderr": pipe, **streams},
        )

    async def run(self, *arguments: str, stdin: bytes = b"") -> Finished:
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(stdin), 30)
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), err.decode())


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until the condition holds; fail after within_s."""
    deadline_s = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline_s, f"{condition} never held"
        await asyncio.sleep(0.01)

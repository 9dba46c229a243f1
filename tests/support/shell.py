"""Runs `tidegate` as a shell does: another process, pipes for its streams."""

from __future__ import annotations

import asyncio
import os
import sys
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

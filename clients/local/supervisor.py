"""Keeps a set of children alive together: when it ends, or its block does, all of them end.

Knows nothing about what the children do.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from tidegate.clients.local.child import Child, Command

# Above the 30 s in which a server or balancer finishes its calls.
GRACE_S = 35.0


class Supervisor:
    """Children started in stages. Leaving the block ends the stages, the latest first, and
    waits for each: what depends on another ends before it.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._stages: list[list[Child]] = []

    def __repr__(self) -> str:
        return f"<Supervisor {', '.join(repr(child) for child in self._children) or 'idle'}>"

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stage in reversed(self._stages):
            await asyncio.gather(*(child.end(self._grace_s) for child in stage))

    async def start(self, *commands: Command) -> list[Child]:
        """Start a stage."""
        stage: list[Child] = []
        self._stages.append(stage)
        for command in commands:
            stage.append(await Child.start(command))  # noqa: PERF401 - a failure must find it there
        return stage

    async def first_death(self) -> Child:
        """Wait until any child has ended, and return it."""
        waits = [asyncio.ensure_future(child.ended()) for child in self._children]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for wait in waits:
                wait.cancel()

    def kill(self) -> None:
        """Kill every child at once; the block's end then has nothing to wait for."""
        for child in self._children:
            child.kill()

    @property
    def _children(self) -> list[Child]:
        return [child for stage in self._stages for child in stage]

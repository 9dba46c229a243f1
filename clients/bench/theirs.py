"""Any other contestant: a process of its own that answers over a pipe.

Knows nothing about what is measured, nor about transformers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tidegate.clients.bench.measured import Name
from tidegate.clients.bench.session import failure, started
from tidegate.clients.bench.words import chat_prompt, label_prompt
from tidegate.clients.local.child import Child, Command, Output


@dataclass(frozen=True, slots=True)
class Other:
    """How it is started; threads 0 leaves their number to torch."""

    name: Name
    folder: str
    threads: int

    @asynccontextmanager
    async def session(self) -> AsyncIterator[OtherSession]:
        """Start it for the length of a block."""
        module = f"tidegate.clients.bench.{self.name.value}"
        argv = (sys.executable, "-m", module, self.folder, str(self.threads))
        async with started(Command(self.name.value, argv, Output.PIPED)) as child:
            yield OtherSession(self.name, child)


class OtherSession:
    """A running one."""

    def __init__(self, name: Name, child: Child) -> None:
        self.name = name
        self.child = child

    async def first_label(self, text: str) -> str:
        """The pipe waits until everything is loaded."""
        return await self.label(text)

    async def label(self, text: str) -> str:
        """The label of a text, or what was written in its place."""
        await self._ask(label=label_prompt(text), text=text)
        return str((await self._answer())["answer"]).strip()

    async def chat(self, text: str, tokens: int) -> AsyncGenerator[int, None]:
        """Reply, greedily: yields 0 at the first token and the number of tokens at the end."""
        await self._ask(chat=chat_prompt(text), tokens=tokens)
        while "tokens" not in (said := await self._answer()):
            yield 0
        yield int(said["tokens"])

    async def _ask(self, **fields: Any) -> None:
        await self.child.tell(json.dumps(fields, ensure_ascii=False))

    async def _answer(self) -> dict[str, Any]:
        line = await self.child.hear()
        if not line:
            await self.child.ended()
            raise failure(self.child)
        said: dict[str, Any] = json.loads(line)
        return said

"""Our server as a contestant: a `tidegate-server` of its own, called through gRPC.

Knows nothing about what is measured.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.clients.answers import Delta, End
from tidegate.clients.async_client import AsyncClient
from tidegate.clients.bench.measured import Name
from tidegate.clients.bench.session import BenchError, failure, started
from tidegate.clients.errors import TidegateError, Unavailable
from tidegate.clients.inputs import Sampling
from tidegate.clients.local.child import Child, Command, Output
from tidegate.clients.local.plan import Plan
from tidegate.clients.local.ports import HOST, free_ports, is_free

# Short against the start that is measured.
_POLL_S = 0.02
# Only to end what hangs: slow machines are to be measured, too.
_TIMEOUT_S = 600.0
# A server that ends takes its calls with it, this long before at most.
_LAST_MOMENT_S = 3.0
# A server's log from its start until it is hot has some 20 lines.
_LOG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class OurServer:
    """How it is started; threads 0 leaves their number to it."""

    model: str
    threads: int
    profiles: Path
    cache_dir: Path | None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[OurSession]:
        """Start it for the length of a block."""
        (port,) = free_ports(1)
        async with (
            started(self._command(port)) as child,
            AsyncClient(f"{HOST}:{port}", timeout_s=_TIMEOUT_S, attempts=1) as client,
        ):
            yield OurSession(child, client, port)

    def _command(self, port: int) -> Command:
        plan = Plan(self.model, 0, (port,), self.profiles, self.cache_dir)
        (command,) = plan.servers(None)
        options = ("--log-format", "json", "--threads", str(self.threads))
        return replace(
            command, name=Name.OURS.value, argv=(*command.argv, *options), output=Output.KEPT
        )


class OurSession:
    """A running server."""

    name = Name.OURS

    def __init__(self, child: Child, client: AsyncClient, port: int) -> None:
        self.child = child
        self._client = client
        self._port = port

    async def first_label(self, text: str) -> str:
        """Ask until it answers."""
        # gRPC would wait a good while before it dials again.
        while is_free(self._port):
            await self._pause()
        while (label := await self._label_if_hot(text)) is None:
            await self._pause()
        return label

    async def label(self, text: str) -> str:
        """The label of a text."""
        try:
            return (await self._client.classify(text)).label
        except TidegateError as error:
            raise await self._failed(error) from error

    async def _label_if_hot(self, text: str) -> str | None:
        try:
            return (await self._client.classify(text)).label
        except Unavailable:
            return None
        except TidegateError as error:
            raise await self._failed(error) from error

    async def chat(self, text: str, tokens: int) -> AsyncGenerator[int, None]:
        """Reply, greedily: yields 0 at the first words and the number of tokens at the end."""
        sampling = Sampling(temperature=0, repetition_penalty=1, max_tokens=tokens)
        try:
            async with aclosing(
                self._client.stream_reply(text, sampling=sampling, accept_degraded=False)
            ) as events:
                async for event in events:
                    match event:
                        case Delta():
                            yield 0
                        case End():
                            yield event.usage.completion_tokens
        except TidegateError as error:
            raise await self._failed(error) from error

    def folder(self) -> str:
        """Where its log says that the model lies, ready for anybody to load."""
        for line in self.child.last_words(_LOG_BYTES).splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                if said.get("event") == "weights found":
                    return str(said["folder"])
        raise BenchError(f"{self.name.value}: its log doesn't say where the model lies")

    async def _failed(self, error: TidegateError) -> BenchError:
        """What ended it says more than what became of the call."""
        with suppress(asyncio.TimeoutError):
            return failure(await asyncio.wait_for(self.child.ended(), _LAST_MOMENT_S))
        return BenchError(f"{self.name.value}: {' '.join(str(error).split())}")

    async def _pause(self) -> None:
        if self.child.exit_code is not None:
            raise failure(self.child)
        await asyncio.sleep(_POLL_S)

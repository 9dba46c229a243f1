"""The web page's gateway in this process, and a client that speaks to it as a browser does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11

from tidegate.clients.web.balancer import Balancer
from tidegate.clients.web.gateway import Gateway
from tidegate.clients.web.limits import Limits
from tidegate.clients.web.serving import listening, server_of
from tidegate.identity.listening import ListeningTls

JSON = {"content-type": "application/json"}


def asking(text: str = "你好", **more: object) -> bytes:
    """The body of a call with one turn."""
    return json.dumps({"turns": [{"role": "user", "content": text}], **more}).encode()


@dataclass
class Answer:
    """An answer whose head has come; the body comes as it is read."""

    status: int
    headers: dict[str, str]
    _connection: h11.Connection = field(repr=False)
    _reader: asyncio.StreamReader = field(repr=False)
    _writer: asyncio.StreamWriter = field(repr=False)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, to its end."""
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def body(self) -> bytes:
        return b"".join([part async for part in self.parts()])

    async def json(self) -> Any:
        return json.loads(await self.body())

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The server-sent events, as they come."""
        held = b""
        async for part in self.parts():
            *blocks, held = (held + part).split(b"\n\n")
            for block in blocks:
                lines = dict(
                    line.split(": ", 1) for line in block.decode().splitlines() if ": " in line
                )
                if "data" in lines:
                    yield lines["event"], json.loads(lines["data"])

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@dataclass
class Web:
    """A running gateway."""

    port: int
    said: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @asynccontextmanager
    async def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[Answer]:
        """One call on a connection of its own, which is closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            connection = h11.Connection(h11.CLIENT)
            sent = {
                "host": f"127.0.0.1:{self.port}",
                "content-length": str(len(body)),
                **(headers or {}),
            }
            head = h11.Request(method=method, target=path, headers=list(sent.items()))
            writer.write(connection.send(head) or b"")
            writer.write(connection.send(h11.Data(data=body)) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            event = connection.next_event()
            while not isinstance(event, h11.Response):
                assert event is h11.NEED_DATA, event
                connection.receive_data(await reader.read(65536))
                event = connection.next_event()
            got = {key.decode(): value.decode() for key, value in event.headers}
            yield Answer(event.status_code, got, connection, reader, writer)
        finally:
            writer.close()

    @asynccontextmanager
    async def judge(
        self, body: bytes, headers: dict[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        async with self.call("POST", "/api/judge", {**JSON, **(headers or {})}, body) as answer:
            yield answer

    async def judged(self, body: bytes) -> list[tuple[str, dict[str, Any]]]:
        """All events of a call."""
        async with self.judge(body) as answer:
            assert answer.status == 200
            return [event async for event in answer.events()]


@asynccontextmanager
async def running_gateway(
    address: str,
    names: tuple[str, ...] = (),
    limits: Limits | None = None,
    page: ListeningTls | None = None,
) -> AsyncIterator[Web]:
    """The gateway for a balancer, on a free port, in this loop."""
    said: list[str] = []
    async with Balancer(address) as balancer:
        gateway = Gateway(balancer, names=names, limits=limits, say=said.append)
        with listening("127.0.0.1", 0) as listener:
            server = server_of(gateway, page)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield Web(listener.getsockname()[1], said)
            finally:
                server.should_exit = True
                await asyncio.wait_for(serving, 20)

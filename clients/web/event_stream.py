"""Sends events to a browser as they come, and ends their source when the browser goes away.

Knows nothing about what the events say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from tidegate.clients.web.events import Event

# A comment line: the browser passes over it, and a connection that is dead shows itself.
_SIGN_OF_LIFE = b":\n\n"
SIGN_OF_LIFE_S = 5.0


class EventStream:
    """An ASGI response of server-sent events.

    The source is closed as soon as the browser hangs up, or `closing` is set, and not only when
    the next event can't be sent: a call that nobody reads must free its slot.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        headers: Mapping[str, str],
        closing: asyncio.Event,
    ) -> None:
        self._events = events
        self._closing = closing
        self._headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            # nginx holds back what it proxies, unless it is told.
            "x-accel-buffering": "no",
            **headers,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or what there is until the browser goes."""
        headers = [(key.encode(), value.encode()) for key, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        tasks: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self._write(send)),
            asyncio.ensure_future(_gone(receive)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        writing, leaving, _ = tasks
        if not writing.cancelled():
            writing.result()
        elif leaving.cancelled():
            await _finish(send)

    async def _write(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            while True:
                coming = asyncio.ensure_future(_next(events))
                try:
                    while not (await asyncio.wait({coming}, timeout=SIGN_OF_LIFE_S))[0]:
                        await _part(send, _SIGN_OF_LIFE)
                finally:
                    if not coming.done():
                        coming.cancel()
                        await asyncio.gather(coming, return_exceptions=True)
                event = coming.result()
                if event is None:
                    break
                await _part(send, event.encoded())
        await _finish(send)


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    """The next event; None after the last."""
    return await anext(events, None)


async def _part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _finish(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""Browsers, and others, that keep the page's server waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import pytest_asyncio
from support.gateway import Web, asking, running_gateway
from support.scripted_service import Service

from tidegate.clients.web.limits import Limits

PATIENCE_S = 1.0


@pytest_asyncio.fixture
async def hasty(service: Service) -> AsyncIterator[Web]:
    async with running_gateway(service.address, limits=Limits(patience_s=PATIENCE_S)) as it:
        yield it


async def seconds_until_closed(reader: asyncio.StreamReader, began_s: float) -> float:
    while await asyncio.wait_for(reader.read(65536), 10):
        pass
    return time.monotonic() - began_s


async def test_a_connection_that_says_nothing_is_closed(hasty: Web) -> None:
    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    assert await seconds_until_closed(reader, began_s) < 5
    writer.close()


async def test_a_head_that_drips_in_is_not_waited_for(hasty: Web) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    closed = asyncio.ensure_future(reader.read(1))
    for _ in range(100):
        writer.write(b"x")
        if (await asyncio.wait({closed}, timeout=0.1))[0]:
            break
    assert closed.done()
    closed.exception()
    writer.close()


async def test_who_does_not_read_the_page_is_left(hasty: Web) -> None:
    sock = socket.create_connection(("127.0.0.1", hasty.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    head = f"GET /app.js HTTP/1.1\r\nHost: 127.0.0.1:{hasty.port}\r\n\r\n".encode()
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    # More answers than the buffers of both sides hold, none of which is read.
    end_s = time.monotonic() + 10
    is_left = False
    try:
        while time.monotonic() < end_s:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(loop.sock_sendall(sock, head * 50), 0.2)
    except OSError:
        is_left = True
    sock.close()
    assert is_left


async def test_who_asks_and_waits_for_the_answer_is_not_hurried(
    hasty: Web, service: Service
) -> None:
    async with hasty.judge(asking("hang")) as answer:
        events = answer.events()
        assert [(await anext(events))[0] for _ in range(2)] == ["sentiment", "delta"]
        more = asyncio.ensure_future(anext(events))
        # Several looks long nothing comes, for nobody has anything to say.
        assert not (await asyncio.wait({more}, timeout=4 * PATIENCE_S))[0]
        more.cancel()
        await asyncio.gather(more, return_exceptions=True)

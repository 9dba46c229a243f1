from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace

import pytest
from support.waiting import eventually

from tidegate.clients.local.child import Child
from tidegate.clients.local.ports import free_ports
from tidegate.clients.local.registry import DEFAULT_URL, Surroundings, answers, chosen

NOTHING = Surroundings(
    consul_answers=False, consul_binary=None, default_port_is_free=True, spare_ports=(11, 12, 13)
)
BINARY = replace(NOTHING, consul_binary="/usr/bin/consul")
TAKEN = replace(BINARY, default_port_is_free=False)
RUNNING = replace(TAKEN, consul_answers=True)
URL = "https://consul.example:8501"


@pytest.mark.parametrize(
    ("wish", "found", "url", "starts_an_agent", "said"),
    [
        ("off", RUNNING, None, False, "a static list (--consul off)"),
        (URL, NOTHING, URL, False, f"Consul at {URL}"),
        ("auto", RUNNING, DEFAULT_URL, False, "the Consul that already answers"),
        ("auto", NOTHING, None, False, "a static list (no consul program was found)"),
        ("auto", BINARY, DEFAULT_URL, True, "a Consul dev agent at http://127.0.0.1:8500"),
        ("auto", TAKEN, "http://127.0.0.1:13", True, "a Consul dev agent at http://127.0.0.1:13"),
    ],
)
def test_the_registry_is_what_the_wish_and_the_machine_allow(
    wish: str, found: Surroundings, url: str | None, starts_an_agent: bool, said: str
) -> None:
    registry = chosen(wish, found)
    assert registry.url == url
    assert (registry.agent is not None) == starts_an_agent
    assert registry.said.startswith(said)


@pytest.fixture
def consul_binary() -> str:
    binary = os.environ.get("TIDEGATE_CONSUL") or shutil.which("consul")
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no consul program, and CI must have one")
        pytest.skip("there is no consul program (TIDEGATE_CONSUL may name one)")
    return binary


@pytest.mark.consul
async def test_a_dev_agent_on_ports_of_its_own_answers(consul_binary: str) -> None:
    first, second, third = free_ports(3)
    found = replace(TAKEN, consul_binary=consul_binary, spare_ports=(first, second, third))
    registry = chosen("auto", found)
    assert registry.agent is not None
    assert registry.url is not None
    assert not answers(registry.url)
    agent = await Child.start(registry.agent)
    try:
        url = registry.url
        await eventually(lambda: agent.exit_code is not None or answers(url), within_s=30)
        assert agent.exit_code is None, agent.last_words()
    finally:
        await agent.end(grace_s=20)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://", "http://127.0.0.1:port", "ftp:"])
def test_no_consul_answers_where_none_is(url: str) -> None:
    assert not answers(url)


@pytest.mark.parametrize("said", [b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""', b"hello\n"])
async def test_what_is_no_ready_consul_is_not_taken_for_one(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert not await asyncio.to_thread(answers, f"http://127.0.0.1:{port}")

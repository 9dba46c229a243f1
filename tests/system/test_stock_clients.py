"""Clients that know nothing of us but the service config obey the hints, directly and behind an Envoy."""

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.envoy import envoy_hop
from support.instances import NOT_SERVING, SERVING, PlayedInstance
from support.sidecars import Front, front
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.v1 import chat_pb2

ROOT = Path(__file__).resolve().parent.parent.parent
SLACK_S = 0.5
"""What a client may take beyond the hint, on a busy machine."""


@dataclass(frozen=True)
class Ending:
    """How a call ended, as the client saw it."""

    code: int
    message: str
    trailers: dict[str, str | bytes]


Ask = Callable[[int, str], Awaitable[Ending]]
"""Calls "Service/Method" at a port, by the service config."""


def service_config() -> str:
    """The one that docs/contract.md tells clients to use."""
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    (config,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    return json.dumps(json.loads(config))


async def ask_from_python(port: int, path: str) -> Ending:
    options = [("grpc.service_config", service_config()), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        # Both messages have their text in the same field.
        message = chat_pb2.ReplyRequest(text="positive").SerializeToString()
        call = channel.unary_unary(f"/tidegate.v1.{path}")(message, timeout=10)
        code, trailers = await call.code(), await call.trailing_metadata()
        return Ending(code.value[0], str(await call.details() or ""), dict(trailers))


@pytest.fixture(params=["python", "node"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    if request.param == "python":
        return ask_from_python
    modules: Path = request.getfixturevalue("node_modules")
    imported = Path(status_pb2.__file__).parent.parent.parent
    protos = f"{ROOT / 'protos'}:{imported}"
    config = tmp_path / "service_config.json"
    config.write_text(service_config())

    async def ask_from_node(port: int, path: str) -> Ending:
        process = await asyncio.create_subprocess_exec(
            *("node", str(Path(__file__).with_name("stock_client.js")), protos),
            *(f"127.0.0.1:{port}", str(config), path),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(modules)},
        )
        assert process.stdout is not None
        said = json.loads(await process.stdout.read())
        await process.wait()
        trailers = {
            key: base64.b64decode(value) if key.endswith("-bin") else value
            for key, value in said["trailers"].items()
        }
        return Ending(said["code"], said["message"], trailers)

    return ask_from_node


@pytest.fixture(params=["direct", "envoy"])
def hop(request: pytest.FixtureRequest, tmp_path: Path):
    """Gives the port by which clients reach a balancer."""

    @asynccontextmanager
    async def reach(it: Front) -> AsyncIterator[int]:
        if request.param == "direct":
            yield it.sidecar.port
        else:
            async with envoy_hop(it.sidecar.port, tmp_path) as port:
                yield port

    return reach


async def arrival_s(it: Front, lane: Lane, number: int) -> float:
    await eventually(lambda: it.tally(lane).offered >= number)
    return asyncio.get_running_loop().time()


async def test_a_shed_call_comes_back_when_the_hint_says_and_not_before(ask, hop):
    async with PlayedInstance() as instance:
        await instance.say_health(NOT_SERVING)
        async with front(instances=instance.address) as it, hop(it) as port:
            asking = asyncio.ensure_future(ask(port, "Sentiment/Classify"))
            first_s = await arrival_s(it, Lane.SENTIMENT, 1)
            await instance.say_health(SERVING)
            gap_s = await arrival_s(it, Lane.SENTIMENT, 2) - first_s
            ending = await asking
            status = it.tally(Lane.SENTIMENT)

    # The hint of NO_INSTANCE is a second, and up to a fifth more; seen 5 ms late at most.
    assert 1.0 - 0.01 <= gap_s < 1.2 + SLACK_S
    assert ending.code == 0
    assert ending.trailers["tidegate-served-by"] == instance.id
    assert (status.offered, status.shed, status.full) == (2, 1, 1)


async def test_a_call_that_is_told_not_to_come_back_does_not(ask, hop):
    async with (
        PlayedInstance(chat_slots=1) as instance,
        front(instances=instance.address, chat_wait_s=0.2) as it,
        hop(it) as port,
    ):
        await it.hot(1)
        instance.hold()
        running = asyncio.ensure_future(it.chat.Reply(chat_pb2.ReplyRequest(text="first")))
        await eventually(lambda: instance.in_flight == 1)
        ending = await ask(port, "Chat/Reply")
        tally = it.tally(Lane.CHAT)
        assert (tally.offered, tally.shed) == (2, 1)
        instance.release()
        await running

    assert ending.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert ending.trailers["grpc-retry-pushback-ms"] == "-1"
    details = ending.trailers["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    status, info = status_pb2.Status.FromString(details), error_details_pb2.ErrorInfo()
    assert (status.code, status.message) == (ending.code, ending.message)
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("tidegate", "QUEUE_TIMEOUT")
    assert dict(info.metadata)["lane"] == "chat"

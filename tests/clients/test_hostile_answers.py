"""Whatever a server answers, a caller of our library gets an answer or a TidegateError, and soon."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.garbled import Method, garbled, methods

from tidegate.clients import AsyncClient, TidegateError

ROUNDS = 3000 if "TIDEGATE_TEST_PATIENT" in os.environ else 150
SEED = os.environ.get("TIDEGATE_TEST_SEED", "") or str(random.SystemRandom().randrange(10**9))
TIMEOUT_S = 10.0
STATUSES = [each for each in grpc.StatusCode if each is not grpc.StatusCode.OK]


class Hostile(grpc.GenericRpcHandler):
    """Answers every method of the contract with garbled messages, as many as it likes, and ends as it likes."""

    def __init__(self) -> None:
        self._methods = {each.path: each for each in methods()}
        self._count = 0

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        method = self._methods[details.method]

        async def answer(_: object, context: Any) -> None:
            self._count += 1
            chance = random.Random(f"{SEED}-{self._count}")
            for number in range(chance.randrange(1, 4) if method.gives_many else 1):
                await context.write(self._garbled(method, number))
            if chance.random() < 0.3:
                await context.abort(chance.choice(STATUSES), "\x1b[2J\n", _trailers(chance))

        return grpc.stream_stream_rpc_method_handler(answer)

    def _garbled(self, method: Method, number: int) -> bytes:
        return garbled(method.answered, f"{SEED}-{self._count}-{number}")


def _trailers(chance: random.Random) -> tuple[tuple[str, str | bytes], ...]:
    status, retry = status_pb2.Status(code=8), error_details_pb2.RetryInfo()
    retry.retry_delay.seconds = chance.choice([-1, 1, 2**62, -(2**62)])
    retry.retry_delay.nanos = chance.choice([-5, 0, 2**31 - 1])
    status.details.add().Pack(retry)
    details = [chance.randbytes(chance.randrange(100)), status.SerializeToString()]
    return (
        ("grpc-status-details-bin", chance.choice(details)),
        ("grpc-retry-pushback-ms", chance.choice(["", "-1", "x", "9" * 30, "1e9", "-9"])),
        ("tidegate-served-by", chance.choice(["", "x" * 1000])),
    )


@asynccontextmanager
async def hostile() -> AsyncIterator[AsyncClient]:
    server = grpc.aio.server(handlers=[Hostile()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}", timeout_s=TIMEOUT_S, attempts=1) as client:
            yield client
    finally:
        await server.stop(None)


async def _all(events: Any) -> None:
    async with aclosing(events):
        async for _ in events:
            pass


async def _first(events: Any) -> None:
    async with aclosing(events):
        async for _ in events:
            break


async def end_of(call: Any) -> str:
    try:
        await asyncio.wait_for(call, TIMEOUT_S)
    except TidegateError as error:
        return error.code.name
    return "answered"


CALLS = {
    "classify": lambda it: it.classify("好"),
    "reply": lambda it: it.reply("好"),
    "stream_reply": lambda it: _all(it.stream_reply("好", progress=True)),
    "judge_and_reply": lambda it: _all(it.judge_and_reply("好", progress=True)),
    "profiles": lambda it: it.profiles(),
    "status": lambda it: it.status(),
    "watch_status": lambda it: _first(it.watch_status()),
    "drain": lambda it: it.drain("a"),
    "warm": lambda it: it.warm(1),
    "pin": lambda it: it.pin(1),
    "classify_many": lambda it: _all(it.classify_many(["好", "坏"])),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_hostile_server_gets_no_further_than_an_error_of_ours(name: str):
    print(f"TIDEGATE_TEST_SEED={SEED}")  # noqa: T201
    ends, began_s = Counter[str](), time.monotonic()
    async with hostile() as client:
        for _ in range(ROUNDS):
            ends[await end_of(CALLS[name](client))] += 1
    print(ends, f"{time.monotonic() - began_s:.1f} s")  # noqa: T201
    assert sum(ends.values()) == ROUNDS

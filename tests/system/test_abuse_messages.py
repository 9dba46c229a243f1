"""Whatever bytes stand where a message should, real programs answer with a status of the contract, and go on."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
import pytest
from google.rpc import code_pb2
from support.garbled import Method, garbled, messages_below, methods
from support.town import Town, at_peace, town

from tidegate.v1 import sentiment_pb2, sentiment_pb2_grpc

pytestmark = [pytest.mark.beside, pytest.mark.timeout(900)]

CASES = 100_000 if "TIDEGATE_TEST_PATIENT" in os.environ else 10_000
SEED = os.environ.get("TIDEGATE_TEST_SEED", "") or str(random.SystemRandom().randrange(10**9))
AT_ONCE = 8
ITEMS = 25
"""Of one stream."""
TIMEOUT_S = 20.0
QUICK = "step_s = 0.0005\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 3\n"

KNOWN = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
}
"""What the contract has for a mistake of the caller's. Nothing here is more than is accepted at once, and nobody is away."""
BESIDE = "/grpc.health.v1.Health/Check"


@dataclass
class Fuzz:
    """Garbled calls at one port, numbered; `wrong` has those that were answered as none should be."""

    channel: grpc.aio.Channel
    where: str
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def case(self, method: Method, number: int) -> int:
        """One call, or one stream of many messages; returns how many cases it was."""
        seed = f"{SEED}-{self.where}-{method.path}-{number}"
        if method.takes_many:
            messages = [garbled(method.said, f"{seed}-{item}") for item in range(ITEMS)]
            await self._stream(method, messages, seed)
            return ITEMS
        content = garbled(method.said, seed)
        await self._call(method, content, seed)
        return 1

    async def _call(self, method: Method, content: bytes, seed: str) -> None:
        code, said = grpc.StatusCode.OK, ""
        try:
            if method.gives_many:
                call = self.channel.unary_stream(method.path)(content, timeout=TIMEOUT_S)
                async for _ in call:
                    if method.path.endswith("/WatchStatus"):
                        # It would never end.
                        call.cancel()
                        break
                else:
                    code = await call.code()
            else:
                await self.channel.unary_unary(method.path)(content, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            code, said = error.code(), error.details() or ""
        self._note(code, said, seed, content)

    async def _stream(self, method: Method, messages: list[bytes], seed: str) -> None:
        kind = sentiment_pb2.ClassifyStreamResponse.FromString
        call = self.channel.stream_stream(method.path, None, kind)(
            iter(messages), timeout=TIMEOUT_S
        )
        answers = 0
        try:
            async for answer in call:
                answers += 1
                code = _of_number(answer.error.code)
                self._note(code, answer.error.message, seed, b"")
            code, said = await call.code(), ""
        except grpc.aio.AioRpcError as error:
            code, said = error.code(), error.details() or ""
        self._note(code, said, seed, b"")
        if answers != len(messages):
            self.wrong.append(
                f"{seed}: {answers} of {len(messages)} items answered, {code}: {said}"
            )

    def _note(self, code: grpc.StatusCode, said: str, seed: str, content: bytes) -> None:
        self.codes[code.name] += 1
        if code not in KNOWN or "Traceback" in said or "Exception" in said:
            self.wrong.append(f"{seed}: {code.name}: {said[:200]!r} for {content[:200].hex()}")


def _of_number(number: int) -> grpc.StatusCode:
    name = code_pb2.Code.Name(number)
    return grpc.StatusCode[name]


@pytest.fixture(scope="module")
def quick_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town"), QUICK) as it:
        yield it


def test_every_message_that_is_said_is_tried():
    tried = {each.full_name for method in methods() for each in messages_below(method.said)}
    said = {method.said.full_name for method in methods()}
    assert len(said) == len({method.said.name for method in methods()})
    assert {"tidegate.v1.Turn", "tidegate.v1.Sampling", "tidegate.v1.PinRequest"} <= tried


async def test_bytes_that_are_no_message_get_a_status_of_the_contract(quick_town: Town):
    it = quick_town
    print(f"\nTIDEGATE_TEST_SEED={SEED}")  # noqa: T201
    for port in it.aim.grpc:
        await label(port)
    before, calls = it.vitals(), await it.calls_open()
    at = {
        "balancer": [each for each in methods() if ".Instance/" not in each.path],
        "server": [each for each in methods() if ".Fleet/" not in each.path],
    }
    wrong = []
    for (where, known), port in zip(at.items(), it.aim.grpc, strict=True):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            fuzz = Fuzz(channel, where)
            await _play(fuzz, known, CASES // len(at))
        await label(port)
        print(f"{where}: {dict(fuzz.codes)}")  # noqa: T201
        wrong += fuzz.wrong
    assert [each[:150] for each in wrong[:10]] == []
    await at_peace(it, before, calls, 20)
    assert it.fallen() == []
    for name, text in it.logged().items():
        assert "Traceback" not in text, text
        # Changes of a limit are the balancer's own doing.
        lines = [each for each in text.splitlines() if "state changed" not in each]
        assert len(lines) < 15, (name, text[-3000:])


async def label(port: int) -> None:
    """Have two labels made at a port, which connects it to all that is behind."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        classify = sentiment_pb2_grpc.SentimentStub(channel).Classify
        asked = [sentiment_pb2.ClassifyRequest(text=text) for text in ("好", "很好")]
        assert all(each.label for each in await asyncio.gather(*map(classify, asked)))


async def _play(fuzz: Fuzz, known: list[Method], cases: int) -> None:
    """Play each method as often as the others, by messages."""
    left = {method: cases // len(known) for method in known}
    numbers = iter(range(10**9))

    async def play() -> None:
        while open_ones := [method for method, count in left.items() if count > 0]:
            for method in open_ones:
                left[method] -= ITEMS if method.takes_many else 1
                await fuzz.case(method, next(numbers))

    await asyncio.gather(*(play() for _ in range(AT_ONCE)))


@pytest.mark.parametrize(
    "content", [b"\xff", b"\x0a\x01\xff", b"\x0a\x7f", b"\x0b" * 300], ids=bytes.hex
)
@pytest.mark.parametrize(
    "path", [BESIDE, "/grpc.health.v1.Health/Watch", "/grpc.channelz.v1.Channelz/GetServers"]
)
async def test_what_is_served_beside_the_contract_quotes_nothing_of_its_inside(
    quick_town: Town, path: str, content: bytes
):
    ports = (quick_town.aim.front_admin, quick_town.aim.server_admin)
    for port in ports if "channelz" in path else quick_town.aim.grpc:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            if path.endswith("/Watch"):
                watch = channel.unary_stream(path)(content, timeout=5)
                with suppress(grpc.aio.AioRpcError):
                    await watch.read()
                    watch.cancel()
                    continue
                code, said = await watch.code(), await watch.details()
            else:
                call = channel.unary_unary(path)(content, timeout=5)
                code, said = await call.code(), await call.details()
        assert code in KNOWN | {grpc.StatusCode.UNIMPLEMENTED}, (code, said)
    assert "Traceback" not in "".join(quick_town.logged().values())

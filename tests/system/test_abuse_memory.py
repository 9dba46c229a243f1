"""What attackers make a whole service take: a real model, a balancer, and one behind TLS, whose memory is counted together."""

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from support.attackers.aim import Aim
from support.identities import Authority
from support.programs import Program, free_port, running
from support.town import Vitals, attacked

from tidegate.v1 import chat_pb2, chat_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

pytestmark = [pytest.mark.beside, pytest.mark.timeout(900)]

PATIENT = "TIDEGATE_TEST_PATIENT" in os.environ
DURING_S = 20.0 if PATIENT else 5.0
MOST = 1.1
"""Times what it was."""
LOOK_S = 0.2
STORIES = (
    ("half-open-many", "handshakes", "half-messages", "silent"),
    ("no-window", "no-reading", "drips", "endless-headers", "resets"),
    ("greedy-labels", "greedy-bulks", "greedy-chats"),
)


@dataclass(frozen=True)
class House:
    """A service with its model."""

    programs: tuple[Program, ...]
    aim: Aim

    def resident_kb(self) -> int:
        """Memory of all its processes; what they share is counted for each."""
        return sum(Vitals.of(each.process.pid).resident_kb for each in self.programs)

    async def work(self) -> None:
        """A busy hour of honest callers: texts as long as they may be in all slots, by which it comes to what that takes."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.aim.front}") as channel:
            label = sentiment_pb2_grpc.SentimentStub(channel).Classify
            reply = chat_pb2_grpc.ChatStub(channel).Reply
            labels = [sentiment_pb2.ClassifyRequest(text=_long(number)) for number in range(8)]
            chats = [chat_pb2.ReplyRequest(text=_long(number)) for number in range(12)]
            for each in chats:
                each.sampling.max_tokens = 16
            await asyncio.gather(
                *(label(each, timeout=100) for each in labels),
                *(reply(each, timeout=100) for each in chats),
            )


def _long(number: int) -> str:
    letters = "今天的实验终于成功了太棒我很失望。，"
    return f"{number}" + "".join(random.Random(number).choices(letters, k=30_000))


@pytest.fixture(scope="module")
def house(model_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    pair = Authority(folder / "ca").issue("127.0.0.1")
    aim = Aim(front=free_port(), server=free_port(), tls=free_port())
    server = f"tidegate-server --model bundled --cache-dir {model_cache} --consul off"
    balancer = f"tidegate-balancer --instances 127.0.0.1:{aim.server}"
    tls = f"--tls-cert {pair.cert} --tls-key {pair.key}"
    with (
        running(f"{server} --port {aim.server}".split(), folder / "server.log") as first,
        running(f"{balancer} --port {aim.front}".split(), folder / "balancer.log") as second,
        running(f"{balancer} --port {aim.tls} {tls}".split(), folder / "tls.log") as third,
    ):
        first.wait_for(" packed", 600)
        second.wait_for("after=hot")
        third.wait_for("after=hot")
        yield House((first, second, third), aim)


async def test_no_attack_takes_a_tenth_more_memory_of_a_service_with_its_model(house: House):
    await house.work()
    before_kb, largest_kb = house.resident_kb(), dict.fromkeys(STORIES, 0)
    for names in STORIES:
        async with attacked(names, house.aim):
            for _ in range(int(DURING_S / LOOK_S)):
                await asyncio.sleep(LOOK_S)
                largest_kb[names] = max(largest_kb[names], house.resident_kb())
    for names, kb in largest_kb.items():
        print(f"\n{', '.join(names)}: {before_kb} KB, {kb} KB, {kb / before_kb:.3f} times")  # noqa: T201
    assert max(largest_kb.values()) <= before_kb * MOST
    async with grpc.aio.insecure_channel(f"127.0.0.1:{house.aim.front}") as channel:
        asked = sentiment_pb2.ClassifyRequest(text="菜太咸了，再也不会来了")
        answer = await sentiment_pb2_grpc.SentimentStub(channel).Classify(asked, timeout=60)
    assert answer.label == "负面"

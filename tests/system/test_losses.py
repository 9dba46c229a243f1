"""What is lost when parts of a fleet are: instances and balancers killed, Consul away, under four fifths of full load."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.consul import ConsulAgent
from support.heat import pids
from support.programs import Program, free_port, running

from tidegate.clients import AsyncClient, Phase, TidegateError

pytestmark = [pytest.mark.consul, pytest.mark.timeout(300)]

# A label is one step, a reply ten; what a step costs does not hang on how many are in it.
STEP_S, REPLY_TOKENS = 0.1, 10
INSTANCES, SENTIMENT_SLOTS, CHAT_SLOTS = 8, 1, 1
KILLED = 4
LOAD, FULL_S = 0.8, 5.0
"""The share of full load, which is measured first, for so long. Seven of eight carry it with a little to spare; of five, the four that
are left would have exactly what they can do, and a label or two of 1,600 waited too long."""
REST_S = 3.0
"""From one loss to the next: what waited meanwhile is answered."""
AWAY_S = float(os.environ.get("TIDEGATE_TEST_CONSUL_AWAY_S", "16"))
"""Longer than a leader's session, a silent board and a blocking query live; the minute that is promised is for who has the time."""
LOOK_S = 0.1
ATTEMPTS = 6
"""As many as fit into a call's time. Two balancers that don't know of each other's queues promise room a little too soon."""
TOLD_AGAIN_S = 6.0
"""Instances look after their registration every three seconds."""


@dataclass
class Load:
    """Calls that come when they come, whatever became of those before; each tells how it ended."""

    client: AsyncClient
    failures: list[str] = field(default_factory=list)
    sentiments: int = 0
    chats: int = 0
    chats_in_full: int = 0
    slowest_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return (
            f"{self.sentiments} sentiments, the slowest after {self.slowest_s:.1f} s, {len(self.failures)} failed; "
            f"{self.chats_in_full} of {self.chats} chats answered; {self.failures[:20]}"
        )

    async def put(self, full: tuple[float, float], is_over: Callable[[], bool]) -> None:
        """Put on a share of what is full load, in sentiments and chats a second, until it is over; wait for the answers."""
        chance = random.Random(1)
        await asyncio.gather(
            self._arrive(self._label, LOAD * full[0], is_over, chance),
            self._arrive(self._reply, LOAD * full[1], is_over, chance),
        )

    async def _arrive(self, call, rate, is_over, chance) -> None:
        due_s, number, calls = time.monotonic(), 0, []
        while not is_over():
            due_s, number = due_s + chance.expovariate(rate), number + 1
            await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
            calls.append(asyncio.ensure_future(call(f"第{number}条")))
        await asyncio.gather(*calls)

    async def _label(self, text: str) -> None:
        self.sentiments += 1
        began_s = time.monotonic()
        try:
            await self.client.classify(text, timeout_s=15.0)
        except TidegateError as error:
            at_s = time.monotonic() - self.began_s
            self.failures.append(f"at {at_s:.1f} s: {error.code.name} {error.reason} {error}")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    async def _reply(self, text: str) -> None:
        self.chats += 1
        with suppress(TidegateError):
            await self.client.reply(text, timeout_s=30.0)
            self.chats_in_full += 1


async def full_load(client: AsyncClient) -> tuple[float, float]:
    """How many sentiments and chats a second are answered when there are always more."""
    end_s = time.monotonic() + FULL_S

    async def call_again_and_again(call) -> int:
        count = 0
        while time.monotonic() < end_s:
            await call(f"第{count}条，{random.random()}")
            count += 1
        return count

    sentiments, chats = INSTANCES * SENTIMENT_SLOTS, INSTANCES * CHAT_SLOTS
    counts = await asyncio.gather(
        *(call_again_and_again(client.classify) for _ in range(2 * sentiments)),
        *(call_again_and_again(client.reply) for _ in range(2 * chats)),
    )
    return sum(counts[: 2 * sentiments]) / FULL_S, sum(counts[2 * sentiments :]) / FULL_S


@dataclass
class Shop:
    """Two balancers that keep one fleet, as processes that can be killed."""

    folder: Path
    config: Path
    ports: list[int]
    stack: ExitStack
    balancers: list[Program] = field(default_factory=list)

    def start(self, number: int) -> Program:
        port = self.ports[number]
        command = ["tidegate-balancer", "--config", str(self.config), "--port", str(port)]
        log = self.folder / f"balancer-{number}-{len(self.balancers)}.log"
        self.balancers.append(self.stack.enter_context(running(command, log)))
        self.balancers[-1].wait_for("balancer listens")
        return self.balancers[-1]

    @property
    def address(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    async def hot(self, number: int) -> int:
        """How many instances one of the balancers has hot."""
        async with AsyncClient(f"127.0.0.1:{self.ports[number]}", attempts=1) as client:
            status = await client.status()
        return sum(each.phase is Phase.HOT for each in status.instances)

    async def until_all_are_hot(self) -> None:
        """Return when both balancers have every instance hot."""
        end_s = time.monotonic() + 60
        for number in range(len(self.ports)):
            while await self.hot(number) != INSTANCES or len(pids(self.folder)) != INSTANCES:
                assert time.monotonic() < end_s, self.balancers[-1].output[-3000:]
                await asyncio.sleep(LOOK_S)


@contextmanager
def shop(folder: Path, consul: ConsulAgent) -> Iterator[Shop]:
    latency = folder / "latency.toml"
    latency.write_text(
        f"step_s = {STEP_S}\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = {REPLY_TOKENS}\n"
    )
    slots = f"--sentiment-slots {SENTIMENT_SLOTS} --chat-slots {CHAT_SLOTS}"
    config = folder / "balancer.toml"
    config.write_text(
        f"""
        launcher = "process"
        consul = "{consul.url}"
        service_name = "{folder.name}"
        slow_start_s = 0
        [process]
        server = "--model simulated:{latency} {slots}"
        state = "{folder}/state"
        outlive = true
        [scale.both]
        minimum = {INSTANCES}
        maximum = {INSTANCES}
        """
    )
    with ExitStack() as stack:
        it = Shop(folder, config, [free_port(), free_port()], stack)
        stack.callback(end_all, folder)
        it.start(0)
        it.start(1)
        yield it


def end_all(folder: Path) -> None:
    for pid in pids(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def under_load(shop: Shop, story) -> Load:
    """Tell the story while the load is on; returns what became of the calls."""
    await shop.until_all_are_hot()
    async with AsyncClient(shop.address, timeout_s=15.0, attempts=ATTEMPTS) as client:
        load, is_over, full = Load(client), asyncio.Event(), await full_load(client)
        calls = asyncio.ensure_future(load.put(full, is_over.is_set))
        try:
            await asyncio.sleep(2.0)
            await story()
            await asyncio.sleep(2.0)
        finally:
            is_over.set()
            await calls
            # Figures, for `pytest -s` and for whoever looks why it failed.
            print(f"\nfull load {full[0]:.1f} sentiments and {full[1]:.1f} chats/s; {load}")  # noqa: T201
    return load


async def test_no_sentiment_fails_when_any_instance_any_balancer_or_consul_is_lost(
    own_consul: ConsulAgent, tmp_path: Path
):
    own_consul.start()
    with shop(tmp_path, own_consul) as it:

        async def instances_are_killed() -> None:
            for victim in pids(tmp_path)[:KILLED]:
                os.kill(victim, signal.SIGKILL)
                await it.until_all_are_hot()
                await asyncio.sleep(REST_S)

        async def balancers_are_killed() -> None:
            before = pids(tmp_path)
            for number, balancer in enumerate(list(it.balancers)):
                balancer.process.kill()
                await asyncio.to_thread(balancer.process.wait)
                await asyncio.sleep(REST_S)
                await asyncio.to_thread(it.start, number)
                await it.until_all_are_hot()
            # Whoever led left the instances as they were.
            assert pids(tmp_path) == before

        async def consul_is_away_and_comes_back_without_memory() -> None:
            before = pids(tmp_path)
            own_consul.stop()
            await all_stay_hot(it, AWAY_S)
            own_consul.start()
            await all_stay_hot(it, TOLD_AGAIN_S)
            assert pids(tmp_path) == before

        async def story() -> None:
            await instances_are_killed()
            await balancers_are_killed()
            await consul_is_away_and_comes_back_without_memory()

        load = await under_load(it, story)
        assert load.failures == []
        assert load.sentiments > 300


async def all_stay_hot(it: Shop, for_s: float) -> None:
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        for number in range(len(it.ports)):
            assert await it.hot(number) == INSTANCES
        await asyncio.sleep(LOOK_S)

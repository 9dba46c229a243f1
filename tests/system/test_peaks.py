"""A peak with the bundled model: foreseen by a timetable, or met by a start in the middle of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.consul import ConsulAgent
from support.heat import decisions, gone, heated, leads, pids
from support.programs import running
from support.sidecars import Front
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.scale import LEAD_S
from tidegate.balancer.scaling import RoleStatus
from tidegate.v1 import chat_pb2, sentiment_pb2

pytestmark = [pytest.mark.consul, pytest.mark.timeout(900)]

FIRST_START_S = 600
IDLE_S, ASSUMED_S = 10.0, 15.0
SHARE = 1.2
"""The first answer may come so many times the measured warm-up after the decision."""
MINUTE = datetime(2026, 11, 25, 1, 0, tzinfo=timezone.utc)
GOOD = sentiment_pb2.ClassifyRequest(text="今天的实验终于成功了，太棒了！")
HELLO = chat_pb2.ReplyRequest(
    text="你好，我的快递还没到，怎么办？", sampling=chat_pb2.Sampling(max_tokens=16)
)


@dataclass
class Wall:
    """A clock that shows what the test sets it to, and runs on from there."""

    shown: datetime = MINUTE - timedelta(hours=1)
    set_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def __call__(self) -> datetime:
        return self.shown + timedelta(seconds=asyncio.get_running_loop().time() - self.set_s)

    def set(self, shown: datetime) -> None:
        self.shown, self.set_s = shown, asyncio.get_running_loop().time()


def flags(cache: Path, cpu: int) -> str:
    """An instance with a core of its own, as the docs advise."""
    cpus = sorted(os.sched_getaffinity(0))
    own = f"--threads 1 --cpus {cpus[cpu % len(cpus)]}"
    return f"--model bundled --cache-dir {cache} {own} --sentiment-slots 2 --chat-slots 2"


@asynccontextmanager
async def one_hot_and_one_cold(
    consul: ConsulAgent, folder: Path, cache: Path, wall: Wall
) -> AsyncIterator[Front]:
    """A balancer over one permanent instance, which may start another one."""
    command = ["tidegate-server", *flags(cache, 0).split(), "--port", "0"]
    command += ["--consul", consul.url, "--service-name", folder.name]
    scale = {
        "minimum": 1,
        "maximum": 2,
        "idle_s": IDLE_S,
        "window_s": 5.0,
        "warm_up_s": ASSUMED_S,
        "schedule": [{"cron": "0 9 * * *", "zone": "Asia/Shanghai", "count": 2, "for_s": 1}],
    }
    settings = {
        "chat_wait_s": 120,
        "sentiment_wait_s": 60,
        "degrade_enter_s": 600,
        # Callers who say the same would share an answer.
        "share_equal_calls": False,
    }
    with running(command, folder / "permanent.log") as permanent:
        await asyncio.to_thread(permanent.wait_for, " hot ", FIRST_START_S)
        async with heated(
            *(consul, folder, flags(cache, 1)), wall=wall, scale=scale, **settings
        ) as front:
            await leads(front)
            await front.hot(1)
            yield front


def scale_of(front: Front) -> RoleStatus:
    assert front.sidecar.heat is not None
    scale = front.sidecar.heat.scaling.status(Role.BOTH)
    assert scale is not None
    return scale


async def hot(front: Front, count: int) -> None:
    """Return when so many instances are hot; a start of this model takes a while."""

    def is_so() -> bool:
        return sum(each.phase.value == "hot" for each in front.sidecar.pool.instances) == count

    await eventually(is_so, 120)


class Burst:
    """Callers who call again as soon as they have an answer, more sentiments at once than there are slots."""

    def __init__(self, front: Front, wall: Wall) -> None:
        self._front, self._wall = front, wall
        self.answers: list[tuple[datetime, str]] = []
        self._goes_on = True
        self._callers = [
            *(asyncio.ensure_future(self._call(front.chat.Reply, HELLO)) for _ in range(2)),
            *(asyncio.ensure_future(self._call(front.sentiment.Classify, GOOD)) for _ in range(6)),
        ]

    async def _call(self, method, message) -> None:
        while self._goes_on:
            call = method(message, timeout=180)
            await call
            served_by = dict(await call.trailing_metadata())["tidegate-served-by"]
            self.answers.append((self._wall(), served_by))

    def first_of(self, instance: str) -> datetime | None:
        """When that instance answered first."""
        return min((at for at, by in self.answers if by == instance), default=None)

    async def end(self) -> None:
        """Let each have the answer that it waits for; raises what any call raised."""
        self._goes_on = False
        await asyncio.gather(*self._callers)


async def test_a_peak_is_met_by_timetable_and_by_a_start_within_it(
    consul: ConsulAgent, model_cache: Path, tmp_path: Path
):
    wall = Wall()
    async with one_hot_and_one_cold(consul, tmp_path, model_cache, wall) as front:
        (permanent,) = (each.id for each in front.sidecar.pool.instances)

        wall.set(MINUTE - timedelta(seconds=ASSUMED_S + LEAD_S + 1.0))
        await eventually(lambda: pids(tmp_path), 30)
        await hot(front, 2)
        ready = wall()
        assert ready < MINUTE
        await eventually(lambda: scale_of(front).warm_up_s != ASSUMED_S)
        quiet_s = scale_of(front).warm_up_s
        (pid,) = pids(tmp_path)
        await gone(pid, within_s=90)
        assert (await decisions(front))[0].startswith("no more were wanted for ")

        burst = Burst(front, wall)
        await eventually(lambda: pids(tmp_path), 60)
        decision = scale_of(front).decisions[0]
        await hot(front, 2)
        own_s = (wall() - decision.at).total_seconds()
        (cold,) = (each.id for each in front.sidecar.pool.instances if each.id != permanent)
        await eventually(lambda: burst.first_of(cold), 60)
        await burst.end()
        first = burst.first_of(cold)
        assert first is not None
        took_s = (first - decision.at).total_seconds()
        print(  # noqa: T201 - figures, for `pytest -s`
            f"\nready {(MINUTE - ready).total_seconds():.1f} s before the minute, after {quiet_s:.1f} s; in the burst hot "
            f"{own_s:.1f} s after the decision, first answer after {took_s:.1f} s: {took_s / own_s:.2f} of its own warm-up, "
            f"{took_s / quiet_s:.2f} of the quiet one; {len(burst.answers)} calls answered, none lost"
        )
        # Of a start beside a burst, not of a quiet one: what shares memory and cores differs between the two.
        assert took_s <= SHARE * own_s

        (pid,) = pids(tmp_path)
        await gone(pid, within_s=90)
        assert (await decisions(front))[0].startswith("no more were wanted for ")
        await front.at_rest()

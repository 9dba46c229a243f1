"""A peak with the bundled model: met by a start in the middle of it, or foreseen by a timetable."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.bursts import SHARE, Wall, burst
from support.consul import ConsulAgent
from support.heat import decisions, gone, heated, leads, pids
from support.programs import free_port, run, running
from support.sidecars import Front

from tidegate.v1 import chat_pb2, sentiment_pb2

pytestmark = [pytest.mark.consul, pytest.mark.timeout(900)]

FIRST_START_S = 600
IDLE_S, ASSUMED_S = 10.0, 15.0
TEXT = "今天的实验终于成功了，太棒了！"
GOOD = sentiment_pb2.ClassifyRequest(text=TEXT)
HELLO = chat_pb2.ReplyRequest(
    text="你好，我的快递还没到，怎么办？", sampling=chat_pb2.Sampling(max_tokens=16)
)


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
    scale = {"maximum": 2, "idle_s": IDLE_S, "window_s": 5.0, "warm_up_s": ASSUMED_S}
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


async def test_a_burst_starts_a_cold_one_whose_first_answer_comes_within_a_warm_up_and_a_fifth(
    consul: ConsulAgent, model_cache: Path, tmp_path: Path
):
    wall = Wall()
    async with one_hot_and_one_cold(consul, tmp_path, model_cache, wall) as front:
        # More sentiments at once than there are slots, beside chats that take all of theirs.
        callers = [(front.chat.Reply, HELLO)] * 2 + [(front.sentiment.Classify, GOOD)] * 6
        met = await burst(front, wall, callers)
        print(f"\n{met}")  # noqa: T201 - figures, for `pytest -s`
        # Of this very start, not of a quiet one: what shares memory and cores differs between the two.
        assert met.share <= SHARE
        (pid,) = pids(tmp_path)
        await gone(pid, within_s=90)
        assert (await decisions(front))[0] == f"no more were wanted for {IDLE_S:g} s; 2 -> 1"
        await front.at_rest()


@pytest.mark.skipif(
    "TIDEGATE_TEST_PATIENT" not in os.environ,
    reason="takes two to three minutes by the real clock: set TIDEGATE_TEST_PATIENT; "
    "test_scaling.py has the same on a clock that is set",
)
def test_a_timetable_two_minutes_ahead_has_the_first_correct_answer_before_its_minute(
    consul: ConsulAgent, model_cache: Path, tmp_path: Path
):
    minute = (datetime.now(timezone.utc) + timedelta(minutes=3)).replace(second=0, microsecond=0)
    config, port = tmp_path / "balancer.toml", free_port()
    config.write_text(
        f"""
        launcher = "process"
        consul = "{consul.url}"
        service_name = "{tmp_path.name}"
        [process]
        server = "--model bundled --cache-dir {model_cache}"
        state = "{tmp_path}/state"
        [scale.both]
        minimum = 0
        warm_up_s = {ASSUMED_S}
        schedule = [{{cron = "{minute:%M %H} * * *", count = 1, for_s = 60}}]
        """
    )
    command = ["tidegate-balancer", "--config", str(config), "--port", str(port)]
    with running(command, tmp_path / "log") as balancer:
        balancer.wait_for("after=hot", 240)
        answer = run("tidegate", "classify", TEXT, TIDEGATE_ADDRESS=f"localhost:{port}")
        answered = datetime.now(timezone.utc)
        assert answer.stdout.startswith("正面"), answer.stderr
        early_s = (minute - answered).total_seconds()
        print(f"\nfirst correct answer {early_s:.1f} s before its minute")  # noqa: T201
        assert early_s > 0
        assert re.search(r"reason=.schedule ", balancer.output)

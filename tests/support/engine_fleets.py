"""A balancer that keeps its fleet on a Docker Engine, and the story of a peak that any engine has to tell."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from support.bursts import SHARE, Wall, burst, hot_ones, scale_of
from support.consul import ConsulAgent
from support.fleets import Seen
from support.heat import decisions, leads
from support.sidecars import Front, front
from support.waiting import eventually

from tidegate.balancer.core.scale import LEAD_S
from tidegate.v1 import chat_pb2, sentiment_pb2

ASSUMED_S, IDLE_S = 4.0, 4.0
# One chat is a second, a label a tenth of one.
LATENCY = "step_s = 0.1\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 10\n"
SLOTS = "--sentiment-slots 2 --chat-slots 2"


@asynccontextmanager
async def fleet_on(
    launcher: str,
    engine: Mapping[str, str],
    server: str,
    consul: ConsulAgent,
    folder: Path,
    minimum: int = 0,
) -> AsyncIterator[Front]:
    """A balancer in this process; its timetable wants one instance for an hour from midnight, and two may run."""
    _write_latency(folder)
    wall = Wall()
    entry = {"cron": "0 0 * * *", "count": 1, "for_s": 3600}
    scale = {
        "minimum": minimum,
        "maximum": 2,
        "idle_s": IDLE_S,
        "window_s": 3.0,
        "warm_up_s": ASSUMED_S,
        "back_off_s": 60.0,
        "schedule": [entry],
    }
    wall.set(wall() - timedelta(seconds=ASSUMED_S + LEAD_S + 2.0))
    table = {
        **engine,
        "weights": str(folder),
        "server": f"--model simulated:/weights/latency.toml --anonymous true {SLOTS} {server}",
    }
    async with front(
        wall=wall,
        consul=consul.url,
        service_name=folder.name,
        launcher=launcher,
        scale={"both": scale},
        slow_start_s=0,
        chat_wait_s=60,
        sentiment_wait_s=30,
        degrade_enter_s=600,
        share_equal_calls=False,
        **{launcher: table},
    ) as it:
        yield it


async def a_peak_by_timetable_and_in_a_burst(it: Front, seen: Seen) -> None:
    """One is hot before its minute, a burst gets another one, and that is drained away when it was idle."""
    scaling = it.sidecar.heat.scaling
    wall: Wall = scaling._wall
    minute = (wall() + timedelta(hours=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    await leads(it)
    await eventually(lambda: len(hot_ones(it)) == 1, 60)
    early_s = (minute - wall()).total_seconds()
    assert early_s > 0
    await eventually(lambda: scale_of(it).warm_up_s != ASSUMED_S)
    quiet_s = scale_of(it).warm_up_s

    label = sentiment_pb2.ClassifyRequest(text="很好")
    chat = chat_pb2.ReplyRequest(text="你好")
    met = await burst(it, wall, [(it.sentiment.Classify, label)] * 6 + [(it.chat.Reply, chat)] * 4)
    print(  # noqa: T201 - figures, for `pytest -s`
        f"\nready {early_s:.1f} s before the minute, after {quiet_s:.1f} s; in the burst {met}"
    )
    assert met.share <= SHARE
    await eventually(lambda: len(hot_ones(it)) == 1, 60)
    await seen.hot(1)
    assert (await decisions(it))[0] == f"no more were wanted for {IDLE_S:g} s; 2 -> 1"
    await it.at_rest()


def _write_latency(folder: Path) -> None:
    """A folder of weights, which whoever runs in a container may read."""
    (folder / "latency.toml").write_text(LATENCY)
    folder.chmod(0o755)

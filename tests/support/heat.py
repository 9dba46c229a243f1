"""A balancer that starts and stops real servers, whose model only sleeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.consul import ConsulAgent
from support.processes import is_running
from support.sidecars import Front, front
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.ledger import Ledger
from tidegate.v1 import fleet_pb2

LATENCY = "step_s = {step_s}\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = {tokens}\n"
QUICK: dict[str, Any] = {"maximum": 3, "warm_up_s": 4.0}


def sleeper(folder: Path, step_s: float = 0.001, tokens: int = 3) -> str:
    """The flags of a server that answers so quickly."""
    file = folder / "latency.toml"
    file.write_text(LATENCY.format(step_s=step_s, tokens=tokens))
    return f"--model simulated:{file}"


def pids(folder: Path) -> list[int]:
    """The processes that the launcher keeps by its records."""
    if not (folder / "state").exists():
        return []
    return [each.pid for each in Ledger(folder / "state").records() if not each.is_ending]


@asynccontextmanager
async def heated(
    consul: ConsulAgent, folder: Path, server: str = "", outlive: bool = False, **settings: Any
) -> AsyncIterator[Front]:
    """A balancer of the service that is called like the folder; nothing that it started is left behind."""
    process = {
        "server": server or sleeper(folder),
        "state": folder / "state",
        "outlive": outlive,
    }
    scale = settings.pop("scale", {})
    async with front(
        consul=consul.url,
        service_name=folder.name,
        launcher="process",
        process=process,
        scale={"both": {**QUICK, **scale}},
        slow_start_s=0,
        **settings,
    ) as opened:
        yield opened


async def status(opened: Front) -> fleet_pb2.GetStatusResponse:
    return await opened.fleet.GetStatus(fleet_pb2.GetStatusRequest())


async def decisions(opened: Front) -> list[str]:
    """Why what changed, the latest first."""
    return [each.reason for each in (await status(opened)).scales[0].decisions]


async def leads(opened: Front) -> None:
    """Return when this balancer is the one that starts and stops, and knows what runs."""
    heat = opened.sidecar.heat
    assert heat is not None
    await eventually(lambda: heat.is_leading and heat._launching.kept(Role.BOTH) is not None, 40)


async def gone(*processes: int, within_s: float = 20.0) -> None:
    await eventually(lambda: not any(map(is_running, processes)), within_s)

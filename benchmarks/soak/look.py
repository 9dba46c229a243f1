"""Looks at balancers and instances: what they say of their calls at one instant.

Knows nothing of what they should say.
"""

import asyncio
import contextlib
from dataclasses import dataclass

import grpc
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak.http import HttpError, get
from tidegate.clients.channel import channel_options
from tidegate.v1 import fleet_pb2, instance_pb2
from tidegate.v1.fleet_pb2_grpc import FleetStub
from tidegate.v1.instance_pb2_grpc import InstanceStub

_PATIENCE_S = 1.5


@dataclass(frozen=True, slots=True)
class Lane:
    """The counts of one lane of one balancer."""

    offered: int
    ended: int
    waiting: int
    answered: int

    @property
    def under_way(self) -> int:
        """Calls that came and have not ended."""
        return self.offered - self.ended


@dataclass(frozen=True, slots=True)
class Status:
    """One balancer's account, and what it knows of its fleet."""

    lanes: dict[str, Lane]
    hot: int
    addresses: tuple[str, ...]
    is_leading: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The same account as its metrics port tells it."""

    offered: int
    ended: int
    waiting: int
    in_flight: int

    @property
    def lost(self) -> int:
        """Calls that are nowhere: 0."""
        return self.offered - self.ended - self.waiting - self.in_flight


class Watcher:
    """Asks one balancer."""

    def __init__(self, port: int, metrics_port: int) -> None:
        address = f"127.0.0.1:{port}"
        self._channel = grpc.aio.insecure_channel(address, channel_options(address))
        self._fleet = FleetStub(self._channel)
        self._metrics_port = metrics_port

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()

    async def status(self) -> Status | None:
        """What it says; None when it doesn't answer."""
        try:
            said = await self._fleet.GetStatus(fleet_pb2.GetStatusRequest(), timeout=_PATIENCE_S)
        except grpc.aio.AioRpcError:
            return None
        lanes = {each.lane: _lane(each) for each in said.lanes}
        hot = [each.address for each in said.instances if each.phase == fleet_pb2.PHASE_HOT]
        return Status(lanes, len(hot), tuple(hot), said.is_leading)

    async def figures(self) -> Figures | None:
        """What its metrics port says; None when it doesn't answer."""
        try:
            text = await get(self._metrics_port, "/metrics")
        except (OSError, HttpError, asyncio.TimeoutError):
            return None
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return Figures(
            *(
                int(sums[f"tidegate_calls_{name}"])
                for name in ("offered_total", "ended_total", "waiting", "in_flight")
            )
        )


async def busy_slots(address: str) -> int:
    """How many slots, sequences and calls an instance still has in use; 0 when it is at rest."""
    async with grpc.aio.insecure_channel(address) as channel:
        load = await InstanceStub(channel).GetLoad(instance_pb2.GetLoadRequest(), timeout=5.0)
    in_flight = sum(lane.in_flight for lane in load.lanes)
    return int(load.slots - load.free_slots + load.running + load.waiting + in_flight)


async def answers(port: int, path: str) -> bool:
    """Whether an HTTP server answers."""
    with contextlib.suppress(OSError, HttpError, asyncio.TimeoutError):
        return bool(await get(port, path))
    return False


def _lane(said: fleet_pb2.LaneStatus) -> Lane:
    counts = said.counts
    answered = counts.full + counts.degraded
    ended = answered + counts.shed + counts.expired + counts.cancelled + counts.failed
    return Lane(counts.offered, ended, said.depth, answered)

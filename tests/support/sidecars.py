"""A whole balancer in this process, on a free port."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import grpc
from support.instances import PlayedInstance
from support.waiting import eventually

from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase
from tidegate.balancer.core.tally import Tally
from tidegate.balancer.sidecar import Sidecar, utc_now
from tidegate.v1 import chat_pb2_grpc, fleet_pb2_grpc, sentiment_pb2_grpc


@dataclass
class Front:
    """What a caller of the balancer has in hand."""

    sidecar: Sidecar
    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.sentiment = sentiment_pb2_grpc.SentimentStub(self.channel)
        self.chat = chat_pb2_grpc.ChatStub(self.channel)
        self.fleet = fleet_pb2_grpc.FleetStub(self.channel)

    def tally(self, lane: Lane) -> Tally:
        return self.sidecar.pool.tally(lane)

    async def hot(self, count: int) -> None:
        """Return when so many instances are hot."""

        def is_so() -> bool:
            hot = [each for each in self.sidecar.pool.instances if each.phase is Phase.HOT]
            return len(hot) == count

        await eventually(is_so)

    async def at_rest(self) -> None:
        """Return when nothing is in flight or waiting; check that nothing was lost."""
        await eventually(lambda: repr(self.sidecar.pool).endswith("| 0 in flight, 0 waiting>"))
        for lane in Lane:
            assert self.tally(lane).offered == self.tally(lane).ended


@asynccontextmanager
async def front(wall: Callable[[], datetime] = utc_now, **settings: object) -> AsyncIterator[Front]:
    """Run a balancer with these settings; give the caller's side of it."""
    sidecar = Sidecar(BalancerSettings(host="127.0.0.1", port=0, **settings), "test", wall=wall)
    await sidecar.start()
    try:
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{sidecar.port}", options=[("grpc.enable_retries", 0)]
        ) as channel:
            yield Front(sidecar, channel)
    finally:
        await sidecar.drain()


@asynccontextmanager
async def front_of(instances: Sequence[PlayedInstance], **settings: object) -> AsyncIterator[Front]:
    """Run a balancer over these instances, once all of them are hot."""
    addresses = ",".join(instance.address for instance in instances)
    async with front(instances=addresses, **settings) as it:
        await it.hot(len(instances))
        yield it

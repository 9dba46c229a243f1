"""A Consul that is cut off from the balancer, and not from the instances: nothing is refused, and nothing answered."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from support.bursts import hot_ones
from support.consul import ConsulAgent, find_consul
from support.heat import heated, leads, pids, sleeper
from support.island import Island, an_island
from support.waiting import eventually

from tidegate.balancer.leadership import SESSION_S
from tidegate.v1 import fleet_pb2, sentiment_pb2

pytestmark = pytest.mark.consul

LABEL = sentiment_pb2.ClassifyRequest(text="很好")


@pytest.fixture
def island() -> Iterator[Island]:
    with an_island() as it:
        yield it


@pytest.fixture
def consul_there(island: Island) -> Iterator[ConsulAgent]:
    agent = ConsulAgent(find_consul(), island.address, island.inside, also=island.other)
    agent.start()
    yield agent
    agent.stop()


async def test_a_balancer_that_is_cut_off_from_consul_goes_on_and_starts_nothing(
    island: Island, consul_there: ConsulAgent, tmp_path
):
    # Instances reach Consul by the cable that is whole, and Consul them.
    place = f"--host 0.0.0.0 --advertise-host {island.here} --consul {consul_there.url_at(island.other)}"
    server = f"{sleeper(tmp_path)} {place} --anonymous true"
    async with heated(consul_there, tmp_path, server=server, scale={"minimum": 1}) as it:
        await leads(it)
        await eventually(lambda: len(hot_ones(it)) == 1, 40)
        before, heat, loop = pids(tmp_path), it.sidecar.heat, asyncio.get_running_loop()

        island.cut()
        began_s, answered = loop.time(), 0
        while heat.is_leading or not heat._board._problem:
            assert loop.time() - began_s < SESSION_S + 5
            assert (await it.sentiment.Classify(LABEL, timeout=2)).label
            answered += 1
            await asyncio.sleep(0.1)
        assert answered > 20
        pin = fleet_pb2.PinRequest(role=fleet_pb2.ROLE_BOTH, count=2)
        with pytest.raises(grpc.aio.AioRpcError, match=r"Consul at .* does not take it") as caught:
            await it.fleet.Pin(pin, timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(hot_ones(it)) == 1

        island.mend()
        await leads(it)
        assert (await it.sentiment.Classify(LABEL, timeout=2)).label
        await it.fleet.Pin(pin, timeout=20)
        await eventually(lambda: len(hot_ones(it)) == 2, 40)
        assert before[0] in pids(tmp_path)

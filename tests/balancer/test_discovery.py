"""The whole balancer with a real Consul and instances that come and go."""

import asyncio

import grpc
import pytest
from support.consul import ConsulAgent
from support.instances import PlayedInstance
from support.sidecars import front
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.v1 import fleet_pb2, sentiment_pb2

pytestmark = pytest.mark.consul

GOOD = sentiment_pb2.ClassifyRequest(text="positive")
TAGS = ("role=both", "sentiment-slots=4", "chat-slots=2", "model=played", "version=1")
HOT, WARMING = (*TAGS, "phase=hot"), (*TAGS, "phase=warming")


async def test_a_hot_instance_is_found_and_a_warming_one_gets_nothing(consul: ConsulAgent):
    async with (
        PlayedInstance() as hot,
        PlayedInstance() as warming,
        front(consul=consul.url, service_name="found") as it,
    ):
        consul.register(hot.address, HOT, "found")
        consul.register(warming.address, WARMING, "found")
        await it.hot(1)
        await eventually(lambda: len(it.sidecar.pool.instances) == 2)
        for _ in range(8):
            assert (await it.sentiment.Classify(GOOD)).model == hot.id
        status = await it.fleet.GetStatus(fleet_pb2.GetStatusRequest())

        assert status.discovery == f"consul {consul.url}"
        phases = {each.id: each.phase for each in status.instances}
        assert phases == {hot.id: fleet_pb2.PHASE_HOT, warming.id: fleet_pb2.PHASE_WARMING}
        assert warming.seen == []


async def test_a_killed_instance_is_unavailable_within_3_s_and_its_successor_is_found(
    consul: ConsulAgent,
):
    async with (
        PlayedInstance() as first,
        PlayedInstance() as second,
        front(consul=consul.url, service_name="killed") as it,
    ):
        consul.register(first.address, HOT, "killed")
        await it.hot(1)
        await first.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(it.sentiment.Classify(GOOD), 3.0)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "grpc-retry-pushback-ms" in dict(caught.value.trailing_metadata())
        await it.hot(0)

        consul.register(second.address, HOT, "killed")
        await it.hot(1)
        assert (await it.sentiment.Classify(GOOD)).model == second.id
        await first.start()


async def test_a_second_instance_shares_the_load_at_once(consul: ConsulAgent):
    async with (
        PlayedInstance(sentiment_slots=4) as first,
        PlayedInstance(sentiment_slots=4) as second,
        front(consul=consul.url, service_name="shared", share_equal_calls=False) as it,
    ):
        consul.register(first.address, HOT, "shared")
        await it.hot(1)
        first.hold()
        second.hold()
        calls = [it.sentiment.Classify(GOOD) for _ in range(8)]
        await eventually(lambda: first.in_flight == 4)
        consul.register(second.address, HOT, "shared")

        await eventually(lambda: second.in_flight == 4)
        first.release()
        second.release()
        await asyncio.gather(*calls)
        assert it.tally(Lane.SENTIMENT).full == 8


async def test_a_consul_that_is_away_at_start_is_waited_for(own_consul: ConsulAgent):
    async with PlayedInstance() as instance, front(consul=own_consul.url) as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.sentiment.Classify(GOOD)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        own_consul.start()
        own_consul.register(instance.address, HOT)

        await it.hot(1)
        assert (await it.sentiment.Classify(GOOD)).model == instance.id


async def test_calls_go_on_while_consul_is_away_and_after_it_forgot_everything(
    own_consul: ConsulAgent,
):
    own_consul.start()
    async with (
        PlayedInstance() as first,
        PlayedInstance() as second,
        front(consul=own_consul.url) as it,
    ):
        own_consul.register(first.address, HOT)
        await it.hot(1)
        own_consul.stop()
        assert (await it.sentiment.Classify(GOOD)).model == first.id

        own_consul.start()
        own_consul.register(second.address, HOT)
        await it.hot(2)
        own_consul.deregister(second.id)
        await it.hot(1)


async def test_a_registration_that_cannot_be_read_is_left_out(consul: ConsulAgent):
    async with (
        PlayedInstance() as good,
        PlayedInstance() as bad,
        front(consul=consul.url, service_name="mistaken") as it,
    ):
        consul.register(bad.address, (*TAGS, "phase=boiling"), "mistaken")
        consul.register(good.address, HOT, "mistaken")
        await it.hot(1)
        assert [each.id for each in it.sidecar.pool.instances] == [good.id]

"""What operators see and ask of a real balancer over real gRPC."""

import asyncio

import grpc
import pytest
from support.instances import PlayedInstance
from support.sidecars import front, front_of
from support.waiting import eventually

from tidegate.v1 import fleet_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="good")
WATCH = fleet_pb2.WatchStatusRequest()


async def test_a_watcher_is_told_at_once_and_after_a_change():
    async with PlayedInstance() as instance, front_of([instance]) as it:
        watch = it.fleet.WatchStatus(WATCH)
        first = await asyncio.wait_for(watch.read(), 10)
        assert first == await it.fleet.GetStatus(fleet_pb2.GetStatusRequest())

        await it.sentiment.Classify(GOOD)

        async def counts() -> int:
            status = await watch.read()
            return status.lanes[0].counts.full

        while await asyncio.wait_for(counts(), 10) != 1:
            pass
        watch.cancel()


async def test_a_quiet_fleet_still_gives_a_sign_of_life():
    async with front(instances="127.0.0.1:1") as it:
        watch = it.fleet.WatchStatus(WATCH)
        assert await asyncio.wait_for(watch.read(), 30) == await asyncio.wait_for(watch.read(), 30)
        watch.cancel()


async def test_a_watcher_does_not_hold_up_a_drain():
    async with front(instances="127.0.0.1:1") as it:
        watch = it.fleet.WatchStatus(WATCH)
        await watch.read()
        await asyncio.wait_for(it.sidecar.drain(), 20)
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await watch.read()


async def test_a_drained_instance_finishes_what_it_has_and_gets_nothing_more():
    async with PlayedInstance() as one, PlayedInstance() as other, front_of([one, other]) as it:
        one.hold()
        other.hold()
        calls = [it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text=str(n))) for n in "ab"]
        await eventually(lambda: one.in_flight == other.in_flight == 1)
        answer = await it.fleet.Drain(fleet_pb2.DrainRequest(instance_id=one.id))
        assert answer.instance.phase == fleet_pb2.PHASE_DRAINING
        assert answer.instance.in_flight == 1
        one.release()
        other.release()

        assert {(await call).model for call in calls} == {one.id, other.id}
        later = [
            await it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text=f"later {n}"))
            for n in range(8)
        ]
        assert {each.model for each in later} == {other.id}
        await it.hot(1)
        await it.at_rest()


async def test_draining_an_unknown_instance_names_the_field_and_the_value():
    async with front(instances="127.0.0.1:1") as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.fleet.Drain(fleet_pb2.DrainRequest(instance_id="nobody"))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "instance_id: no instance 'nobody'" in caught.value.details()

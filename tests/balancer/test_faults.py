"""What goes wrong around hot and cold, with real servers and a real Consul: the fleet goes on."""

import asyncio
import os
import signal
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from support.bursts import Wall, hot_ones, scale_of
from support.heat import decisions, gone, heated, leads, pids
from support.instances import PlayedInstance
from support.sidecars import front
from support.waiting import eventually

from tidegate.v1 import chat_pb2, sentiment_pb2

pytestmark = pytest.mark.consul

HELLO = chat_pb2.ReplyRequest(text="你好")
LABEL = sentiment_pb2.ClassifyRequest(text="很好")
HOT = ("phase=hot", "sentiment-slots=4", "chat-slots=2")


async def test_one_that_dies_while_it_warms_is_tried_again_for_the_call_that_waits(
    consul, tmp_path
):
    scale = {"minimum": 0, "back_off_s": 0.5}
    async with heated(consul, tmp_path, scale=scale, chat_wait_s=60) as it:
        await leads(it)
        waits = asyncio.ensure_future(it.chat.Reply(HELLO, timeout=60))
        await eventually(lambda: pids(tmp_path))
        (victim,) = pids(tmp_path)
        os.kill(victim, signal.SIGKILL)
        assert (await waits).text
        (pid,) = pids(tmp_path)
        assert pid != victim
        told = await decisions(it)
        assert any("was killed by SIGKILL" in each for each in told)


async def test_one_that_hangs_while_hot_gets_no_more_calls_and_another_takes_its_place(
    consul, tmp_path
):
    scale = {"minimum": 2, "give_up_s": 10.0, "back_off_s": 0.5}
    async with heated(consul, tmp_path, scale=scale) as it:
        await leads(it)
        await eventually(lambda: len(hot_ones(it)) == 2, 40)
        victim, other = pids(tmp_path)
        before = hot_ones(it)
        os.kill(victim, signal.SIGSTOP)
        try:
            # Consul's check has to run out first; so long calls may be sent to it.
            await eventually(lambda: len(hot_ones(it)) == 1, 40)
            for _ in range(20):
                assert (await it.sentiment.Classify(LABEL, timeout=5)).label
            await eventually(lambda: len(hot_ones(it) - before) == 1, 40)
            assert len(hot_ones(it)) == 2
            # The one that works is not stopped in place of the one that hangs, which nobody can name.
            assert pids(tmp_path)[:2] == [victim, other]
            assert (await decisions(it))[0] == "minimum 2; 2 -> 3"
        finally:
            os.kill(victim, signal.SIGKILL)
        await gone(victim)


async def test_a_registry_that_tells_of_the_dead_costs_no_call(consul, tmp_path):
    async with PlayedInstance() as alive, PlayedInstance() as dead:
        for each in (alive, dead):
            consul.register_unchecked(each.address, HOT, tmp_path.name)
        async with front(consul=consul.url, service_name=tmp_path.name, slow_start_s=0) as it:
            await it.hot(2)
            await dead.stop()
            answers = await asyncio.gather(
                *(it.sentiment.Classify(LABEL, timeout=10) for _ in range(8))
            )
            answers += [await it.sentiment.Classify(LABEL, timeout=10) for _ in range(20)]
            assert {each.model for each in answers} == {alive.id}
        await dead.start()


async def test_a_clock_that_is_set_changes_what_the_timetable_wants_and_nothing_else(
    consul, tmp_path
):
    wall = Wall(datetime(2026, 11, 25, 6, 0, tzinfo=timezone.utc))
    scale = {
        "minimum": 0,
        "idle_s": 1.0,
        "window_s": 1.0,
        "schedule": [{"cron": "0 9 * * *", "count": 1, "for_s": 3600}],
    }
    async with heated(consul, tmp_path, wall=wall, scale=scale) as it:
        await leads(it)
        assert pids(tmp_path) == []
        # Over nine o'clock at one go, as after a night without power.
        wall.set(wall.shown + timedelta(hours=3, minutes=30))
        await eventually(lambda: len(hot_ones(it)) == 1, 20)
        (pid,) = pids(tmp_path)
        assert scale_of(it).warm_up_s < 15
        # And back again, while a call waits for nothing.
        wall.set(wall.shown - timedelta(days=1))
        assert (await it.chat.Reply(HELLO, timeout=10)).text
        wall.set(wall.shown - timedelta(hours=3))
        await gone(pid)
        told = await decisions(it)
        assert told[::-1] == [
            "schedule '0 9 * * *' UTC; 0 -> 1",
            "no more were wanted for 1 s; 1 -> 0",
        ]


async def test_a_role_that_nothing_can_serve_is_refused_at_once_and_starts_nothing(
    consul, tmp_path
):
    async with PlayedInstance() as instance:
        tags = ("role=sentiment", "phase=hot", "sentiment-slots=4")
        consul.register(instance.address, tags, tmp_path.name)
        process = {"server": "--model simulated", "state": tmp_path / "state"}
        async with front(
            consul=consul.url,
            service_name=tmp_path.name,
            launcher="process",
            process=process,
            scale={"sentiment": {"minimum": 0, "maximum": 2}},
        ) as it:
            await it.hot(1)
            await eventually(lambda: it.sidecar.heat.is_leading, 40)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await it.chat.Reply(HELLO, timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "grpc-retry-pushback-ms" in dict(caught.value.trailing_metadata())
            assert (await it.sentiment.Classify(LABEL, timeout=10)).label
            assert pids(tmp_path) == []

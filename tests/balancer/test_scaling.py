"""Hot and cold as it is lived: a real Consul, real servers, and what goes wrong with them."""

import asyncio
import contextlib
import os
import signal
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.consul import ConsulAgent
from support.heat import decisions, gone, heated, leads, pids, sleeper, status
from support.instances import PlayedInstance
from support.processes import is_running
from support.sidecars import Front
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Role
from tidegate.clients import AsyncClient, Warming
from tidegate.v1 import chat_pb2, fleet_pb2, sentiment_pb2

pytestmark = pytest.mark.consul

HELLO = chat_pb2.ReplyRequest(text="你好")
PERMANENT = ("phase=hot", "sentiment-slots=4", "chat-slots=2")


def hot(front: Front) -> int:
    return sum(each.phase.value == "hot" for each in front.sidecar.pool.instances)


async def ask(front: Front, within_s: float = 25.0) -> chat_pb2.ReplyResponse:
    return await front.chat.Reply(HELLO, timeout=within_s)


async def rest_of(stream):
    while (event := await stream.read()) is not grpc.aio.EOF:
        yield event


async def code_of(stream) -> grpc.StatusCode:
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for _ in rest_of(stream):
            pass
    return await stream.code()


async def test_a_hundred_callers_at_once_from_zero_cause_one_start_and_are_answered(
    consul, tmp_path
):
    async with heated(consul, tmp_path, scale={"minimum": 0}, chat_wait_s=60) as front:
        await leads(front)
        stream = front.chat.StreamReply(
            chat_pb2.StreamReplyRequest(text="你好"),
            metadata=(("tidegate-progress", "true"),),
            timeout=50,
        )
        health = health_pb2_grpc.HealthStub(front.channel)
        said = await health.Check(health_pb2.HealthCheckRequest(service="tidegate.v1.Chat"))
        assert said.status == health_pb2.HealthCheckResponse.SERVING
        first = await stream.read()
        assert first.WhichOneof("event") == "warming"
        assert 1000 < first.warming.expected_ms <= 4000
        async with AsyncClient(f"127.0.0.1:{front.sidecar.port}") as client:
            typed = client.stream_reply("你好", progress=True)
            warming = await anext(typed)
            assert isinstance(warming, Warming)
            assert 1 < warming.expected_s <= 4
            await typed.aclose()
        calls = [ask(front, 50) for _ in range(100)]
        answers = await asyncio.gather(*calls)
        assert len({each.text for each in answers}) == 1
        events = [event async for event in rest_of(stream)]
        assert [event.WhichOneof("event") for event in events][-2:] == ["delta", "end"]
        assert len(pids(tmp_path)) == 1
        told = await decisions(front)
        assert [each for each in told if "nothing hot; 0 -> 1" in each] == told
        (scale,) = (await status(front)).scales
        assert (scale.launched, scale.minimum, scale.maximum) == (1, 0, 3)
        scaling = front.sidecar.heat.scaling
        await eventually(lambda: scaling.status(Role.BOTH).warm_up_s != 4.0)
        assert front.tally(Lane.CHAT).full == 101


async def test_the_first_call_after_the_last_instance_went_is_answered_within_a_warm_up(
    consul, tmp_path
):
    scale = {"minimum": 0, "idle_s": 1.0, "window_s": 1.0}
    async with heated(consul, tmp_path, scale=scale, chat_wait_s=60) as front:
        await leads(front)
        await ask(front, 50)
        (pid,) = pids(tmp_path)
        await gone(pid)
        await front.hot(0)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await ask(front, 50)).text
        took_s = loop.time() - began_s
        scaling = front.sidecar.heat.scaling
        await eventually(lambda: scaling.status(Role.BOTH).decisions[0].after == 1)
        # The slower of both starts, and as long as a call may take where others compute, too.
        await eventually(lambda: took_s <= 1.2 * scaling.status(Role.BOTH).warm_up_s + 0.5)
        assert len([each for each in await decisions(front) if "nothing hot; 0 -> 1" in each]) == 2


async def test_a_call_that_cannot_wait_for_the_warm_up_is_told_how_long_it_takes(consul, tmp_path):
    async with heated(consul, tmp_path, scale={"minimum": 0, "warm_up_s": 9.0}) as front:
        await leads(front)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(front, 3)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        trailers = dict(caught.value.trailing_metadata())
        assert 9000 <= int(trailers["grpc-retry-pushback-ms"]) <= 10_800
        # Its coming is a reason to start one all the same.
        await eventually(lambda: pids(tmp_path))


async def test_a_burst_starts_a_cold_one_which_goes_when_it_was_idle(consul, tmp_path):
    scale = {"maximum": 2, "spill_after_s": 0.2, "idle_s": 2.0, "window_s": 2.0}
    async with PlayedInstance(chat_slots=2) as permanent:
        consul.register(permanent.address, PERMANENT, tmp_path.name)
        async with heated(consul, tmp_path, scale=scale) as front:
            await leads(front)
            await front.hot(1)
            permanent.hold()
            running = [asyncio.ensure_future(ask(front)) for _ in range(2)]
            await eventually(lambda: permanent.in_flight == 2)
            answers = await asyncio.gather(*(ask(front) for _ in range(4)))
            assert all(each.model != permanent.id for each in answers)
            assert len(pids(tmp_path)) == 1
            (pid,) = pids(tmp_path)
            permanent.release()
            assert all(each.model == permanent.id for each in await asyncio.gather(*running))
            await gone(pid)
            told = await decisions(front)
            assert told[0] == "no more were wanted for 2 s; 2 -> 1"
            await front.hot(1)
            assert (await ask(front)).model == permanent.id
            await front.at_rest()


async def test_a_timetable_has_its_instance_hot_before_its_minute(consul, tmp_path):
    scale = {
        "minimum": 0,
        "warm_up_s": 5.0,
        "schedule": [{"cron": "0 9 * * *", "zone": "Asia/Shanghai", "count": 1, "for_s": 60}],
    }
    # 8:59:46 in Shanghai; the lead is the warm-up and five seconds.
    begin, loop = datetime(2026, 11, 25, 0, 59, 46, tzinfo=timezone.utc), asyncio.get_running_loop()
    began_s = loop.time()

    def wall() -> datetime:
        return begin + timedelta(seconds=loop.time() - began_s)

    async with heated(consul, tmp_path, wall=wall, scale=scale) as front:
        await leads(front)
        began_s = loop.time()
        await eventually(lambda: pids(tmp_path), 10)
        assert wall() >= begin + timedelta(seconds=3)
        await eventually(lambda: hot(front) == 1, 20)
        assert wall() < begin + timedelta(seconds=14)
        assert await decisions(front) == ["schedule '0 9 * * *' Asia/Shanghai; 0 -> 1"]


async def test_one_that_never_becomes_hot_is_given_up_and_the_fleet_goes_on(consul, tmp_path):
    # It runs, and tells another Consul.
    lost = f"{sleeper(tmp_path)} --consul http://127.0.0.1:1"
    scale = {"minimum": 2, "warm_up_s": 1.0, "give_up_s": 2.0, "back_off_s": 60.0}
    async with PlayedInstance() as permanent:
        consul.register(permanent.address, PERMANENT, tmp_path.name)
        async with heated(consul, tmp_path, server=lost, scale=scale) as front:
            await leads(front)
            await eventually(lambda: pids(tmp_path))
            (pid,) = pids(tmp_path)
            await gone(pid)
            assert (await ask(front)).model == permanent.id
            told = await decisions(front)
            assert told[0].startswith("not hot after ")
            assert told[0].endswith("2 -> 1")
            assert len(told) == 2


async def test_a_missing_model_is_said_and_tried_later_and_the_fleet_goes_on(consul, tmp_path):
    scale = {"minimum": 2, "back_off_s": 60.0}
    async with PlayedInstance() as permanent:
        consul.register(permanent.address, PERMANENT, tmp_path.name)
        server = f"--model simulated:{tmp_path}/nowhere.toml"
        async with heated(consul, tmp_path, server=server, scale=scale) as front:
            await leads(front)

            async def told() -> str:
                while True:
                    for reason in await decisions(front):
                        if "ended with exit code" in reason:
                            return reason
                    await asyncio.sleep(0.05)

            reason = await asyncio.wait_for(told(), 30)
            assert "an instance of role both ended with exit code 1: " in reason
            assert "nowhere.toml" in reason
            assert (await ask(front)).model == permanent.id
            assert pids(tmp_path) == []
            assert len(await decisions(front)) == 2


async def test_one_that_is_killed_with_calls_running_is_replaced_and_loses_only_what_streamed(
    consul, tmp_path
):
    slow = sleeper(tmp_path, step_s=0.1, tokens=30)
    async with heated(consul, tmp_path, server=slow, scale={"minimum": 2}) as front:
        await leads(front)
        await eventually(lambda: hot(front) == 2, 40)
        streams = [
            front.chat.StreamReply(chat_pb2.StreamReplyRequest(text="你好"), timeout=60)
            for _ in range(4)
        ]
        for stream in streams:
            await stream.read()
        replies = [asyncio.ensure_future(ask(front, 60)) for _ in range(4)]
        await eventually(lambda: front.sidecar.pool.in_flight == 8)
        victim, other = pids(tmp_path)
        os.kill(victim, signal.SIGKILL)
        answers = await asyncio.gather(*replies)
        assert all(each.text for each in answers)
        codes = [await code_of(stream) for stream in streams]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        await eventually(lambda: len(pids(tmp_path)) == 2, 40)
        assert other in pids(tmp_path)
        await eventually(lambda: hot(front) == 2, 40)
        told = await decisions(front)
        assert any("was killed by SIGKILL" in each for each in told), told
        await front.at_rest()


async def test_consul_may_restart_while_instances_run(own_consul: ConsulAgent, tmp_path):
    own_consul.start()
    async with heated(own_consul, tmp_path, scale={"minimum": 1}) as front:
        await leads(front)
        await eventually(lambda: hot(front) == 1, 40)
        before = pids(tmp_path)
        own_consul.stop()
        board = front.sidecar.heat._board
        await eventually(lambda: board._problem)
        assert (await ask(front)).text
        own_consul.start()
        await eventually(lambda: not board._problem)
        await leads(front)
        assert (await ask(front)).text
        assert hot(front) == 1
        assert pids(tmp_path) == before


async def test_of_two_balancers_one_starts_for_both_and_the_other_takes_over(consul, tmp_path):
    scale = {"minimum": 0}
    async with (
        heated(consul, tmp_path, outlive=True, scale=scale) as one,
        heated(consul, tmp_path, scale=scale) as other,
    ):
        heats = [each.sidecar.heat for each in (one, other)]
        await eventually(lambda: any(heat is not None and heat.is_leading for heat in heats), 40)
        leader, follower = (one, other) if (await status(one)).is_leading else (other, one)
        assert not (await status(follower)).is_leading
        # The one that doesn't lead has the call, and the other one starts for it.
        assert (await ask(follower)).text
        (pid,) = pids(tmp_path)
        # A wish that either takes holds for whoever leads.
        pinned = await follower.fleet.Pin(
            fleet_pb2.PinRequest(role=fleet_pb2.ROLE_BOTH, count=2), timeout=10
        )
        assert pinned.scale.pinned == 2
        await eventually(lambda: len(pids(tmp_path)) == 2, 20)
        second = next(each for each in pids(tmp_path) if each != pid)
        assert (await decisions(leader))[0] == "pinned to 2; 1 -> 2"
        assert await decisions(follower) == []
        await leader.sidecar.heat.lead_no_more()
        await leads(follower)
        await follower.fleet.Pin(fleet_pb2.PinRequest(role=fleet_pb2.ROLE_BOTH, count=0))
        assert sorted(pids(tmp_path)) == sorted([pid, second])


async def test_an_operator_that_drains_one_causes_no_failure(consul, tmp_path):
    async with heated(consul, tmp_path, scale={"minimum": 1}) as front:
        await leads(front)
        await eventually(lambda: hot(front) == 1, 40)
        (drained,) = front.sidecar.pool.instances
        (pid,) = pids(tmp_path)
        await front.fleet.Drain(fleet_pb2.DrainRequest(instance_id=drained.id))
        await eventually(lambda: hot(front) == 1, 40)
        assert is_running(pid)
        assert len(pids(tmp_path)) == 2
        # The drained one runs on, and isn't taken for one that is about to be hot.
        scaler, now_s = front.sidecar.heat.scaling._scaler, asyncio.get_running_loop().time
        await eventually(lambda: scaler.ready_s(Role.BOTH, now_s()) is None)
        assert (await ask(front)).text


async def test_an_operator_warms_for_a_peak_and_is_told_what_cannot_be(consul, tmp_path):
    scale = {"minimum": 0, "idle_s": 1.0, "window_s": 1.0}
    async with heated(consul, tmp_path, scale=scale) as front:
        await leads(front)
        warm = fleet_pb2.WarmRequest(role=fleet_pb2.ROLE_BOTH, count=1, for_s=3)
        assert (await front.fleet.Warm(warm, timeout=10)).scale.maximum == 3
        await eventually(lambda: pids(tmp_path))
        (pid,) = pids(tmp_path)
        await gone(pid)
        assert (await decisions(front))[-1] == "warmed to 1; 0 -> 1"
        for wrong, code, words in (
            ({"count": 4}, grpc.StatusCode.INVALID_ARGUMENT, "count: 4 is not from 1 to 3"),
            ({"count": 0}, grpc.StatusCode.INVALID_ARGUMENT, "count: 0 is not from 1 to 3"),
            ({"for_s": 700_000}, grpc.StatusCode.INVALID_ARGUMENT, "for_s: 700000 is above 604800"),
            ({"role": 0}, grpc.StatusCode.INVALID_ARGUMENT, "role: 0 is none of"),
            ({"role": 3}, grpc.StatusCode.FAILED_PRECONDITION, "no instances of role chat"),
        ):
            asked = {"role": fleet_pb2.ROLE_BOTH, "count": 1, "for_s": 1, **wrong}
            with pytest.raises(grpc.aio.AioRpcError, match=words) as caught:
                await front.fleet.Warm(fleet_pb2.WarmRequest(**asked), timeout=10)
            assert caught.value.code() is code


async def test_the_first_sentiment_waits_too_where_its_lane_allows_that(consul, tmp_path):
    async with heated(consul, tmp_path, scale={"minimum": 0}, sentiment_wait_s=30) as front:
        await leads(front)
        answer = await front.sentiment.Classify(
            sentiment_pb2.ClassifyRequest(text="很好"), timeout=30
        )
        assert answer.label

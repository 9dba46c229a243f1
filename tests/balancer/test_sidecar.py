"""The balancer as a whole: what it says of itself, and how it starts and stops."""

import asyncio
import signal
import socket
import subprocess
import sys

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.instances import NOT_SERVING, SERVING, PlayedInstance
from support.sidecars import front, front_of
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.balancer.fleet import LIVENESS, READINESS
from tidegate.v1 import chat_pb2, fleet_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="positive")


async def test_a_shed_is_trailers_only_with_every_hint():
    async with front(instances="127.0.0.1:1") as it:
        call = it.sentiment.Classify(GOOD)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(await call.initial_metadata()) == 0
        trailers = dict(caught.value.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert (info.reason, info.metadata["lane"]) == ("NO_INSTANCE", "sentiment")
        assert 1000 <= int(trailers["grpc-retry-pushback-ms"]) <= 1200
        assert trailers["retry-after"] == "2"


async def test_a_stock_client_that_obeys_the_pushback_is_answered_when_an_instance_comes():
    config = (
        '{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"20s",'
        '"maxBackoff":"20s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}'
    )
    async with PlayedInstance() as instance:
        await instance.say_health(NOT_SERVING)
        async with front(instances=instance.address) as it:
            address = f"127.0.0.1:{it.sidecar.port}"
            options = [("grpc.service_config", config)]
            async with grpc.aio.insecure_channel(address, options=options) as channel:
                classify = channel.unary_unary("/tidegate.v1.Sentiment/Classify")
                call = classify(GOOD.SerializeToString(), timeout=15)
                await eventually(lambda: it.tally(Lane.SENTIMENT).shed == 1)
                await instance.say_health(SERVING)
                answer = sentiment_pb2.ClassifyResponse.FromString(await call)
            assert answer.model == instance.id


async def test_health_follows_the_instances():
    async with PlayedInstance(chat_slots=0) as instance, front_of([instance]) as it:
        health = health_pb2_grpc.HealthStub(it.channel)

        async def statuses() -> list[int]:
            names = ("", "tidegate.v1.Sentiment", "tidegate.v1.Chat")
            requests = [health_pb2.HealthCheckRequest(service=name) for name in names]
            return [(await health.Check(request)).status for request in requests]

        assert await statuses() == [SERVING, SERVING, NOT_SERVING]
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await instance.say_health(NOT_SERVING)
        assert (await watch.read()).status == NOT_SERVING
        assert await statuses() == [NOT_SERVING] * 3
        watch.cancel()


async def test_a_balancer_with_nothing_hot_is_ready_and_one_that_drains_only_lives():
    async with PlayedInstance() as instance, front_of([instance]) as it:
        health = health_pb2_grpc.HealthStub(it.channel)

        async def statuses() -> list[int]:
            requests = [
                health_pb2.HealthCheckRequest(service=name) for name in (LIVENESS, READINESS)
            ]
            return [(await health.Check(request)).status for request in requests]

        await instance.say_health(NOT_SERVING)
        await it.hot(0)
        assert await statuses() == [SERVING, SERVING]
        await instance.say_health(SERVING)
        await it.hot(1)
        instance.hold()
        running = asyncio.ensure_future(it.sentiment.Classify(GOOD))
        await eventually(lambda: instance.in_flight == 1)
        draining = asyncio.ensure_future(it.sidecar.drain())
        watch = health.Watch(health_pb2.HealthCheckRequest(service=READINESS))
        while (await watch.read()).status != NOT_SERVING:
            pass
        assert await statuses() == [SERVING, NOT_SERVING]
        instance.release()
        await running
        await draining


async def test_reflection_names_every_service_and_knows_the_details_of_a_refusal():
    async with front(instances="127.0.0.1:1") as it:
        stub = reflection_pb2_grpc.ServerReflectionStub(it.channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="google.rpc.RetryInfo"),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="tidegate.v1.Sentiment"),
        ]
        listed, details, service = [
            answer async for answer in stub.ServerReflectionInfo(iter(requests))
        ]
        names = {each.name for each in listed.list_services_response.service}
        assert names == {
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
            "tidegate.v1.Chat",
            "tidegate.v1.Fleet",
            "tidegate.v1.Sentiment",
        }
        assert details.HasField("file_descriptor_response")
        assert service.HasField("file_descriptor_response")


async def test_the_status_adds_up():
    async with (
        PlayedInstance(sentiment_slots=4, chat_slots=1) as instance,
        front_of([instance]) as it,
    ):
        instance.hold()
        calls = [it.chat.Reply(chat_pb2.ReplyRequest(text="hello")) for _ in range(3)]
        await eventually(lambda: it.tally(Lane.CHAT).offered == 3)
        await eventually(lambda: instance.in_flight == 1)
        status = await it.fleet.GetStatus(fleet_pb2.GetStatusRequest())
        instance.release()
        await asyncio.gather(*calls)

        (told,) = status.instances
        assert (told.id, told.address, told.model) == (instance.id, instance.address, "played")
        assert (told.role, told.slots, told.in_flight) == (fleet_pb2.ROLE_BOTH, 5, 1)
        loads = [(load.lane, load.slots, load.in_flight) for load in told.lanes]
        assert loads == [("sentiment", 4, 0), ("chat", 1, 1)]
        chat = status.lanes[1]
        assert (chat.lane, chat.depth, chat.counts.offered) == ("chat", 2, 3)
        assert (status.discovery, status.version) == ("static", "test")


async def test_an_instance_on_the_fixed_list_may_come_later_and_come_back():
    async with PlayedInstance() as instance, front_of([instance]) as it:
        await instance.stop()
        await it.hot(0)
        await instance.start(instance.port)
        await it.hot(1)
        assert (await it.sentiment.Classify(GOOD)).model == instance.id


async def test_a_drain_finishes_what_runs_and_turns_away_the_rest():
    async with PlayedInstance(chat_slots=1) as instance, front_of([instance]) as it:
        instance.hold()
        running = it.chat.Reply(chat_pb2.ReplyRequest(text="running"))
        await eventually(lambda: instance.in_flight == 1)
        waiting = it.chat.Reply(chat_pb2.ReplyRequest(text="waiting"))
        await eventually(lambda: "1 waiting" in repr(it.sidecar.pool))
        draining = asyncio.ensure_future(it.sidecar.drain())
        for call in (waiting, it.chat.Reply(chat_pb2.ReplyRequest(text="new"))):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "shutting down" in str(caught.value.details())
        instance.release()
        assert (await running).text == "running"
        await draining


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tidegate.balancer", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_with_0(number: signal.Signals):
    # No Consul at that port: it must not hold up the end either.
    away = ("--consul", "http://127.0.0.1:1")
    with command("--port", "0", *away, "--log-format", "json") as process:
        assert process.stderr is not None
        try:
            # The warning that Consul is away may come first.
            assert any("balancer listens" in line for line in process.stderr)
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()


def test_a_port_in_use_is_one_line_and_exit_code_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = command("--port", str(port))
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said == f"tidegate-balancer: can't listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_wrong_setting_is_one_line_and_exit_code_2():
    process = command("--chat-wait-s", "0")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.startswith("tidegate-balancer: chat_wait_s: 0 is not above 0")
    assert said.count("\n") == 1

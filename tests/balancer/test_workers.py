"""Several balancers on one port, as a user runs them: real processes, real connections."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import grpc
from support.instances import PlayedInstance
from support.processes import children_of, is_running
from support.programs import Program, free_port, run, running
from support.waiting import eventually

from tidegate.v1 import fleet_pb2, fleet_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

GOOD = sentiment_pb2.ClassifyRequest(text="positive")
WITHIN_S = 60


@contextmanager
def workers(log: Path, instances: str, *more: str) -> Iterator[tuple[Program, int]]:
    """Two workers, once they listen; gives the program and their port."""
    port = free_port()
    command = ["tidegate-balancer", "--workers", "2", "--port", str(port), "--log-format", "json"]
    with running([*command, "--instances", instances, *more], log) as program:
        program.wait_for("workers listen", WITHIN_S)
        yield program, port


def channel_to(port: int) -> grpc.aio.Channel:
    """A connection of its own."""
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)],
    )


async def status(port: int) -> fleet_pb2.GetStatusResponse:
    """What the worker says to which a new connection comes."""
    async with channel_to(port) as channel:
        stub = fleet_pb2_grpc.FleetStub(channel)
        return await stub.GetStatus(fleet_pb2.GetStatusRequest(), timeout=20)


async def both_serve(port: int) -> None:
    """Return when each worker has answered and knows the instance as hot."""
    serving: set[str] = set()

    async def all_seen() -> None:
        while serving != {"1 of 2", "2 of 2"}:
            said = await status(port)
            if any(each.phase == fleet_pb2.PHASE_HOT for each in said.instances):
                serving.add(said.worker)

    await asyncio.wait_for(all_seen(), WITHIN_S)


async def gone(*pids: int, within_s: float = WITHIN_S) -> None:
    await eventually(lambda: not any(map(is_running, pids)), within_s)


async def test_each_worker_takes_connections_and_answers_for_the_same_instances(tmp_path):
    async with PlayedInstance() as instance:
        with workers(tmp_path / "log", instance.address) as (_, port):
            await both_serve(port)
            for _ in range(8):
                async with channel_to(port) as channel:
                    stub = sentiment_pb2_grpc.SentimentStub(channel)
                    assert (await stub.Classify(GOOD, timeout=20)).model == instance.id


async def test_a_worker_that_dies_is_started_again_and_the_other_goes_on(tmp_path):
    async with PlayedInstance() as instance:
        with workers(tmp_path / "log", instance.address) as (program, port):
            first, second = children_of(program.process.pid)
            os.kill(first, signal.SIGKILL)
            await gone(first)
            assert is_running(second)
            program.wait_for("worker is back", WITHIN_S)
            await both_serve(port)


async def test_sigterm_lets_every_worker_finish_what_it_runs(tmp_path):
    async with PlayedInstance(sentiment_slots=8) as instance:
        with workers(tmp_path / "log", instance.address) as (program, port):
            pids = children_of(program.process.pid)
            await both_serve(port)
            instance.hold()
            channels = [channel_to(port) for _ in range(4)]
            calls = [
                sentiment_pb2_grpc.SentimentStub(each).Classify(
                    sentiment_pb2.ClassifyRequest(text=f"positive {number}"), timeout=WITHIN_S
                )
                for number, each in enumerate(channels)
            ]
            await eventually(lambda: instance.in_flight == 4, WITHIN_S)
            program.process.send_signal(signal.SIGTERM)
            await eventually(lambda: program.output.count("balancer drains") == 2, WITHIN_S)
            instance.release()
            for call in calls:
                assert (await call).model == instance.id
            await gone(*pids)
            assert program.process.wait(WITHIN_S) == 0
            for channel in channels:
                await channel.close()


async def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path):
    async with PlayedInstance() as instance:
        with workers(tmp_path / "log", instance.address) as (program, _):
            pids = children_of(program.process.pid)
            assert len(pids) == 2
            program.process.kill()
            await gone(*pids)


async def test_each_worker_has_its_metrics_on_a_port_of_its_own(tmp_path):
    metrics = free_port()
    async with PlayedInstance() as instance:
        with workers(
            tmp_path / "log", instance.address, "--metrics-listen", f"127.0.0.1:{metrics}"
        ):
            for port in (metrics, metrics + 1):
                with await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics") as page:
                    said = page.read()
                assert b"tidegate_calls_offered_total" in said


def test_a_port_in_use_is_one_line_and_exit_code_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("tidegate-balancer", "--workers", "2", "--port", str(port))
    assert ended.returncode == 1
    line = f"tidegate-balancer: can't listen on 127.0.0.1:{port}: Address already in use\n"
    assert ended.stderr == line


async def test_another_balancer_does_not_slip_in_among_the_workers(tmp_path):
    async with PlayedInstance() as instance:
        with workers(tmp_path / "log", instance.address) as (_, port):
            for count in ("1", "2"):
                ended = run("tidegate-balancer", "--workers", count, "--port", str(port))
                assert ended.returncode == 1
                assert "Address already in use" in ended.stderr


def test_workers_that_cannot_start_end_the_command_with_the_reason():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        away = ("--instances", "127.0.0.1:1")
        ended = run(
            *("tidegate-balancer", "--workers", "2", "--port", "0", "--metrics-listen", place),
            *away,
        )
    assert ended.returncode == 1
    assert f"worker 1: can't serve metrics on {place}: Address already in use" in ended.stderr
    assert "worker 1 of 2 did not start" in ended.stderr

"""Hot and cold with the commands that people run: a balancer that is killed, and a whole service on one machine."""

import re
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.consul import ConsulAgent
from support.heat import pids, sleeper
from support.processes import is_running
from support.programs import Program, free_port, run, running, wait_until

from tidegate.clients import Client, FleetStatus, Phase
from tidegate.v1.chat_pb2 import ReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub

pytestmark = pytest.mark.consul


def status(address: str) -> FleetStatus:
    with Client(address, attempts=5) as client:
        return client.status()


def hot(address: str) -> int:
    return sum(each.phase is Phase.HOT for each in status(address).instances)


def config_of(folder: Path, consul: ConsulAgent, *, outlive: bool) -> Path:
    file = folder / "balancer.toml"
    file.write_text(
        f"""
        launcher = "process"
        consul = "{consul.url}"
        service_name = "{folder.name}"
        [process]
        server = "{sleeper(folder)}"
        state = "{folder}/state"
        outlive = {str(outlive).lower()}
        [scale.both]
        minimum = 2
        maximum = 2
        """
    )
    return file


def balancer(folder: Path, config: Path, name: str, port: int, *more: str) -> Any:
    command = ["tidegate-balancer", "--config", str(config), "--port", str(port), *more]
    return running(command, folder / name)


def test_a_balancer_that_is_killed_finds_its_instances_again(consul: ConsulAgent, tmp_path: Path):
    config, port = config_of(tmp_path, consul, outlive=True), free_port()
    address = f"localhost:{port}"
    with balancer(tmp_path, config, "first", port) as first:
        wait_until(lambda: hot(address) == 2, "two hot instances", 60)
        before = pids(tmp_path)
        first.process.kill()
        first.process.wait()
    assert all(map(is_running, before))
    with balancer(tmp_path, config, "second", port, "--process.outlive", "false") as second:
        # Consul gives the lead away when the session of the one that was killed has run out.
        second.wait_for("instance adopted", 60)
        wait_until(lambda: status(address).is_leading, "its lead", 60)
        wait_until(lambda: hot(address) == 2, "two hot instances", 60)
        assert run("tidegate", "classify", "好", TIDEGATE_ADDRESS=address).returncode == 0
        assert pids(tmp_path) == before
        assert second.stop() == 0
    # This one was told to take them with it.
    assert not any(map(is_running, before))


def test_workers_share_what_one_of_them_starts(consul: ConsulAgent, tmp_path: Path):
    config, port = config_of(tmp_path, consul, outlive=True), free_port()
    address = f"localhost:{port}"
    with balancer(
        tmp_path, config, "log", port, "--workers", "2", "--process.outlive", "false"
    ) as it:
        it.wait_for("workers listen", 60)
        wait_until(lambda: hot(address) == 2, "two hot instances", 60)
        before = pids(tmp_path)
        assert len(before) == 2
        leading = {status(address).is_leading for _ in range(12)}
        assert True in leading
    assert not any(map(is_running, before))


def test_up_starts_a_cold_one_in_a_burst_and_leaves_nothing_behind(
    consul: ConsulAgent, tmp_path: Path
):
    model = sleeper(tmp_path, step_s=0.1, tokens=40).split()[1]
    port, log = free_port(), tmp_path / "log"
    address = f"localhost:{port}"
    arguments = ["--model", model, "--cold", "1", "--consul", consul.url, "--port", str(port)]
    with (
        running(["tidegate", "up", *arguments], log) as up,
        grpc.insecure_channel(address) as channel,
    ):
        up.wait_for("Ready after", 60)
        assert "cold       1 more, started when needed" in up.output
        chat = ChatStub(channel)
        calls = [chat.Reply.future(ReplyRequest(text="你好"), timeout=60) for _ in range(20)]
        wait_until(lambda: hot(address) == 2, "a second hot instance", 60)
        assert all(call.result().text for call in calls)
        (scale,) = status(address).scales
        assert (scale.launched, scale.maximum) == (2, 2)
        launched = launched_by(up)
        assert len(launched) == 1
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0
    assert not any(map(is_running, launched))


def test_up_that_is_killed_takes_its_cold_ones_with_it(consul: ConsulAgent, tmp_path: Path):
    model, port = sleeper(tmp_path).split()[1], free_port()
    address = f"localhost:{port}"
    arguments = ["--model", model, "--cold", "1", "--consul", consul.url, "--port", str(port)]
    with running(["tidegate", "up", *arguments], tmp_path / "log") as up:
        up.wait_for("Ready after", 60)
        warmed = run("tidegate", "fleet", "warm", "2", TIDEGATE_ADDRESS=address)
        assert warmed.returncode == 0, warmed.stderr
        wait_until(lambda: len(launched_by(up)) == 1, "a second instance", 60)
        launched = launched_by(up)
        up.process.kill()
        up.process.wait()
        wait_until(lambda: not any(map(is_running, launched)), "its end")


def launched_by(up: Program) -> list[int]:
    """The servers that the balancer has started, which says so in the log."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", up.output)
    found = re.findall(r"instance started .*pid=(\d+)", plain)
    return [int(pid) for pid in found if Path(f"/proc/{pid}").exists()]

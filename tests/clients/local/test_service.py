from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support import sleeping_plan
from support.processes import children_of, command_of, is_running
from support.scripted_service import Service
from support.sleeping_plan import STATIC, SleepingPlan, python
from support.waiting import eventually

from tidegate.clients.local.ports import free_ports
from tidegate.clients.local.registry import Registry
from tidegate.clients.local.service import serve
from tidegate.v1 import fleet_pb2

SERVER_PORT = 50061  # the one instance that the scripted service knows


class Ears:
    """Hears what `serve` says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.took_s: list[float] = []

    def serve(self, plan: SleepingPlan, registry: Registry = STATIC) -> asyncio.Task[int]:
        return asyncio.create_task(serve(plan, registry, self.lines.append, self.took_s.append))


def plan_for(service: Service, **other: Any) -> SleepingPlan:
    return SleepingPlan("none", int(service.address.split(":")[1]), (SERVER_PORT,), **other)


async def test_ready_means_that_an_instance_of_ours_is_hot(service: Service) -> None:
    service.phase = fleet_pb2.PHASE_WARMING
    ears = Ears()
    serving = ears.serve(plan_for(service))
    await eventually(lambda: len(service.seen) >= 3)
    assert ears.took_s == []
    service.phase = fleet_pb2.PHASE_HOT
    await eventually(lambda: len(ears.took_s) == 1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 20) == 0


async def test_ready_means_that_the_page_can_be_opened(service: Service, tmp_path: Path) -> None:
    ears = Ears()
    (web_port,) = free_ports(1)
    go = tmp_path / "go"
    listens = (
        "import pathlib, socket, time\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n"
        f"listener = socket.create_server(('127.0.0.1', {web_port})); time.sleep(300)"
    )
    serving = ears.serve(plan_for(service, web_port=web_port, page_code=listens))
    await eventually(lambda: len(service.seen) >= 1)
    assert ears.took_s == []
    go.touch()
    await eventually(lambda: len(ears.took_s) == 1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 20) == 0


async def test_another_services_hot_instance_is_not_ours(service: Service) -> None:
    ears = Ears()
    (elsewhere,) = free_ports(1)
    plan = SleepingPlan("none", int(service.address.split(":")[1]), (elsewhere,))
    serving = ears.serve(plan)
    await eventually(lambda: len(service.seen) >= 3)
    assert ears.took_s == []
    os.kill(os.getpid(), signal.SIGINT)
    assert await asyncio.wait_for(serving, 20) == 0


async def test_a_server_that_dies_is_named_and_ends_the_service(service: Service) -> None:
    ears = Ears()
    plan = plan_for(service, server_code="import time; time.sleep(0.3); raise SystemExit(9)")
    assert await asyncio.wait_for(ears.serve(plan), 20) == 1
    assert "the server at 127.0.0.1:50061 ended with exit code 9; stopping the rest" in ears.lines


async def test_an_agent_that_dies_is_named_with_its_last_words(service: Service) -> None:
    ears = Ears()
    code = "raise SystemExit('the port is taken')"
    agent = python("the Consul agent", code)
    agent = type(agent)(agent.name, agent.argv, type(agent.output).KEPT)
    registry = Registry("http://127.0.0.1:1", agent, "an agent")
    assert await asyncio.wait_for(ears.serve(plan_for(service), registry), 20) == 1
    assert ears.lines == [
        "the Consul agent ended with exit code 1; stopping the rest",
        "  the port is taken",
    ]


async def test_a_second_signal_kills_what_will_not_end(service: Service, tmp_path: Path) -> None:
    ears = Ears()
    mark = tmp_path / "ignoring"
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(mark)!r}, 'w').close(); time.sleep(300)"
    )
    serving = ears.serve(plan_for(service, server_code=stubborn))
    await eventually(lambda: len(ears.took_s) == 1 and mark.exists())
    os.kill(os.getpid(), signal.SIGINT)
    await eventually(lambda: any("second Ctrl-C" in line for line in ears.lines))
    os.kill(os.getpid(), signal.SIGINT)
    assert await asyncio.wait_for(serving, 20) == 0


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ties a child's life to its parent's"
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_whatever_ends_it_nothing_is_left_behind(
    service: Service, number: signal.Signals
) -> None:
    script = Path(sleeping_plan.__file__ or "")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        service.address.split(":")[1],
        str(SERVER_PORT),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    while await asyncio.wait_for(process.stdout.readline(), 20) != b"ready\n":
        pass
    children = children_of(process.pid)
    assert len(children) == 2
    # Before that, a child would notice by itself that its starter is gone.
    await eventually(lambda: not any("leash.py" in command_of(child) for child in children))
    assert all(is_running(child) for child in children)
    process.send_signal(number)
    exit_code = await asyncio.wait_for(process.wait(), 20)
    assert exit_code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    await eventually(lambda: not any(is_running(child) for child in children))

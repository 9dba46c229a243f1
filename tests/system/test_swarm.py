"""Instances as the tasks of services in a real Swarm of one machine, found through a real Consul."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support.consul import ConsulAgent
from support.engine import Engine
from support.engine_fleets import a_peak_by_timetable_and_in_a_burst, fleet_on
from support.fleets import Seen
from support.images import SERVER
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.docker import FLEET
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import SwarmSettings
from tidegate.balancer.launchers.swarm import SwarmLauncher


@asynccontextmanager
async def launcher_of(
    engine: Engine, consul: ConsulAgent, fleet: str, **settings: object
) -> AsyncIterator[SwarmLauncher]:
    # On the machines' own network each instance picks a free port.
    chosen = {
        "image": SERVER,
        "engine": engine.url,
        "network": "host",
        # Empty, unless Swarm fills in what it knows.
        "advertise_host": "{{with .Node.Hostname}}" + engine.address + "{{end}}",
        "server": "--model simulated --port 0 --anonymous true",
        **settings,
    }
    launcher = SwarmLauncher(SwarmSettings(**chosen), fleet=fleet, consul=consul.url)
    try:
        yield launcher
    finally:
        await launcher.close()


@pytest.fixture(scope="module")
def swarm(engine: Engine) -> Iterator[Engine]:
    engine.command("swarm", "init", "--advertise-addr", engine.address)
    yield engine
    engine.command("swarm", "leave", "--force")


async def test_an_engine_that_manages_no_swarm_says_what_to_do(engine, engine_consul):
    async with launcher_of(engine, engine_consul, "lonely") as launcher:
        with pytest.raises(LaunchError, match="the Engine manages no swarm; `docker swarm init`"):
            await launcher.open()


async def test_a_service_is_made_scaled_and_taken_over(swarm, engine_consul):
    seen, since_s = Seen(engine_consul, "swell"), int(time.time())
    async with launcher_of(swarm, engine_consul, "swell") as launcher:
        await launcher.open()
        assert await launcher.count(Role.BOTH) == 0

        await launcher.keep(Role.BOTH, 1)
        (first,) = await seen.hot(1)

        await launcher.keep(Role.BOTH, 2)
        assert await launcher.count(Role.BOTH) == 2
        hot = await seen.hot(2)
        assert first in hot, "who runs isn't touched"
        assert {each["address"] for each in hot} == {swarm.address}
        before = {each["id"] for each in hot}

    async with launcher_of(swarm, engine_consul, "swell") as launcher:
        await launcher.open()
        assert await launcher.count(Role.BOTH) == 2

        await launcher.keep(Role.BOTH, 1)
        (left,) = await seen.hot(1)
        assert left["id"] in before

        await launcher.keep(Role.BOTH, 0)
        assert await launcher.count(Role.BOTH) == 0
        await seen.hot(0)

        (shown,) = json.loads(swarm.command("service", "inspect", "swell-both"))
        spec = shown["Spec"]["TaskTemplate"]["ContainerSpec"]
        assert spec["StopGracePeriod"] == 45_000_000_000
        assert spec["Healthcheck"] == {"Test": ["NONE"]}
        await eventually(lambda: not swarm.command("ps", "-q", "--filter", f"label={FLEET}=swell"))
        swarm.command("service", "rm", "swell-both")
    said = swarm.command(
        *("events", "--since", str(since_s), "--until", str(int(time.time()) + 1)),
        *("--filter", "event=die", "--filter", f"label={FLEET}=swell"),
        *("--format", "{{.Actor.Attributes.exitCode}}"),
    )
    assert said.split() == ["0", "0"], "drained, not killed"


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_peak_is_met_by_timetable_and_by_a_start_within_it(swarm, engine_consul, tmp_path):
    host = "{{with .Node.Hostname}}" + swarm.address + "{{end}}"
    settings = {"image": SERVER, "engine": swarm.url, "network": "host", "advertise_host": host}
    since_s = int(time.time())
    async with fleet_on("swarm", settings, "--port 0", engine_consul, tmp_path) as front:
        await a_peak_by_timetable_and_in_a_burst(front, Seen(engine_consul, tmp_path.name))
        listing = ("ps", "-q", "--filter", f"label={FLEET}={tmp_path.name}")
        await eventually(lambda: len(swarm.command(*listing).split()) == 1, 20)
    said = swarm.command(
        *("events", "--since", str(since_s), "--until", str(int(time.time()) + 1)),
        *("--filter", "event=die", "--filter", f"label={FLEET}={tmp_path.name}"),
        *("--format", "{{.Actor.Attributes.exitCode}}"),
    )
    assert said.split() == ["0"], "drained, not killed"
    swarm.command("service", "rm", f"{tmp_path.name}-both")


async def test_a_task_that_swarm_cannot_run_is_told_once(swarm, engine_consul):
    async with launcher_of(swarm, engine_consul, "sunk", image="nobody/has-this") as launcher:
        await launcher.open()
        await launcher.keep(Role.CHAT, 1)

        with pytest.raises(LaunchError, match="a task of sunk-chat did not run: ") as caught:
            await until_told(launcher)

        assert "nobody/has-this" in str(caught.value)
        assert await launcher.count(Role.CHAT) == 1
        swarm.command("service", "rm", "sunk-chat")


async def until_told(launcher: SwarmLauncher) -> None:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        await launcher.count(Role.CHAT)
        await asyncio.sleep(0.1)

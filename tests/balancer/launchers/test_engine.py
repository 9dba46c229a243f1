"""Launchers whose Engine isn't there; with one, tests/system tries them."""

import asyncio
import gc

import pytest

from tidegate.balancer.launchers.docker import DockerLauncher
from tidegate.balancer.launchers.launcher import Launcher, LaunchError
from tidegate.balancer.launchers.settings import DockerSettings, SwarmSettings
from tidegate.balancer.launchers.swarm import SwarmLauncher

NOWHERE = "unix:///nowhere/docker.sock"
CONSUL = "http://127.0.0.1:8500"
LAUNCHERS = {
    "docker": lambda: DockerLauncher(DockerSettings(engine=NOWHERE), fleet="x", consul=CONSUL),
    "swarm": lambda: SwarmLauncher(SwarmSettings(engine=NOWHERE), fleet="x", consul=CONSUL),
}


# Docker's client leaves the socket of a connection that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("name", LAUNCHERS)
def test_an_engine_that_is_not_there_is_said_in_one_line(name: str) -> None:
    said = asyncio.run(what_opening_says(LAUNCHERS[name]()))
    gc.collect()

    assert said.startswith(f"{name}: no Engine answers at {NOWHERE} (")
    assert "No such file or directory" in said
    assert "\n" not in said


async def what_opening_says(launcher: Launcher) -> str:
    try:
        await launcher.open()
    except LaunchError as error:
        return str(error)
    finally:
        await launcher.close()
    return ""

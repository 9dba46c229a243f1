"""Instances as containers of a real Docker Engine, from our own image, found through a real Consul."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.consul import ConsulAgent
from support.engine import Engine
from support.engine_fleets import a_peak_by_timetable_and_in_a_burst, fleet_on
from support.fleets import Seen
from support.heat import decisions
from support.images import BALANCER, SERVER
from support.instances import PlayedInstance
from support.programs import run, wait_until
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.docker import FLEET, DockerLauncher
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import DockerSettings
from tidegate.v1 import chat_pb2

SIMULATED = "--model simulated --anonymous true"
HELLO = chat_pb2.ReplyRequest(text="你好")

# Docker's client leaves the socket of a connection that failed to the garbage collector.
leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@asynccontextmanager
async def launcher_of(
    engine: Engine, consul: ConsulAgent, fleet: str, **settings: object
) -> AsyncIterator[DockerLauncher]:
    chosen = {"image": SERVER, "engine": engine.url, "server": SIMULATED, **settings}
    launcher = DockerLauncher(DockerSettings(**chosen), fleet=fleet, consul=consul.url)
    await launcher.open()
    try:
        yield launcher
    finally:
        await launcher.close()


def containers_of(engine: Engine, fleet: str) -> list:
    return engine.client.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{FLEET}={fleet}"}
    )


def remove_all(engine: Engine, fleet: str) -> None:
    for container in containers_of(engine, fleet):
        container.remove(force=True, v=True)


async def until_gone(launcher: DockerLauncher) -> None:
    end_s = time.monotonic() + 20
    while await launcher.count(Role.BOTH):
        assert time.monotonic() < end_s
        await asyncio.sleep(0.1)


async def test_instances_come_and_go_as_they_are_wanted(engine, engine_consul):
    seen, since_s = Seen(engine_consul, "tide"), int(time.time())
    async with launcher_of(engine, engine_consul, "tide") as launcher:
        assert await launcher.count(Role.BOTH) == 0

        await launcher.keep(Role.BOTH, 2)
        assert await launcher.count(Role.BOTH) == 2
        assert len({each["address"] for each in await seen.hot(2)}) == 2

        began_s = time.monotonic()
        await launcher.keep(Role.BOTH, 1)
        assert time.monotonic() - began_s < 2
        assert await launcher.count(Role.BOTH) == 1
        await seen.hot(1)

        await launcher.keep(Role.BOTH, 0)
        await seen.hot(0)
        await eventually(lambda: not containers_of(engine, "tide"))

    said = engine.command(
        *("events", "--since", str(since_s), "--until", str(int(time.time()) + 1)),
        *("--filter", "event=die", "--filter", f"label={FLEET}=tide"),
        *("--format", "{{.Actor.Attributes.exitCode}}"),
    )
    assert said.split() == ["0", "0"], "drained, not killed"
    assert engine.client.volumes.list() == [], "the image's volumes are gone with them"


async def test_a_new_launcher_takes_over_what_another_one_left(engine, engine_consul):
    seen = Seen(engine_consul, "heirs")
    async with launcher_of(engine, engine_consul, "heirs") as launcher:
        await launcher.keep(Role.SENTIMENT, 2)
    before = {each["id"] for each in await seen.hot(2)}
    # The first balancer ended after it had marked one, and before it could tell the Engine.
    marked = containers_of(engine, "heirs")[0]
    marked.rename(f"{marked.name}-leaving")

    async with launcher_of(engine, engine_consul, "heirs") as launcher:
        assert await launcher.count(Role.SENTIMENT) == 1
        await launcher.keep(Role.SENTIMENT, 1)
        (left,) = await seen.hot(1)
        assert left["id"] in before
        assert left["tags"]["role"] == "sentiment"

        await launcher.keep(Role.SENTIMENT, 0)
        await seen.hot(0)


async def test_a_container_gets_what_the_settings_give_it(engine, engine_consul, tmp_path):
    (tmp_path / "fast.toml").write_text("step_s = 0.001\n")
    tmp_path.chmod(0o755)
    server = "--model simulated:/weights/fast.toml --chat-slots 3 --anonymous true"
    cpus = ("0", "1")
    async with launcher_of(
        *(engine, engine_consul, "given"),
        weights=str(tmp_path),
        memory_megabytes=500,
        cpus=cpus,
        server=server,
    ) as launcher:
        await launcher.keep(Role.CHAT, 2)
        hot = await Seen(engine_consul, "given").hot(2)
        found = [each.attrs for each in containers_of(engine, "given")]
        remove_all(engine, "given")

    assert {each["tags"]["chat-slots"] for each in hot} == {"3"}
    assert sorted(each["HostConfig"]["CpusetCpus"] for each in found) == ["0", "1"]
    for each in found:
        assert each["HostConfig"]["Memory"] == 500_000_000
        assert [(one["Destination"], one["RW"]) for one in each["Mounts"]] == [("/weights", False)]
        assert each["Config"]["Healthcheck"]["Test"] == ["NONE"]
        assert each["Config"]["User"] == "10001:10001"
        assert "TIDEGATE_SERVER_LAUNCHED_BY=docker" in each["Config"]["Env"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image": "nobody/has-this"}, "the Engine has no 'nobody/has-this'"),
        ({"weights": "/nowhere/weights"}, "no folder '/nowhere/weights'"),
        ({"network": "nonet"}, "the Engine has no 'nonet'"),
    ],
)
async def test_what_is_missing_is_said_in_one_line_and_leaves_nothing(
    engine, engine_consul, settings, said
):
    async with launcher_of(engine, engine_consul, "lacking", **settings) as launcher:
        with pytest.raises(LaunchError) as caught:
            await launcher.keep(Role.BOTH, 1)

        assert await launcher.count(Role.BOTH) == 0
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert containers_of(engine, "lacking") == []


async def test_an_instance_that_ends_by_itself_is_told_with_its_last_words(engine, engine_consul):
    wrong = "--model simulated:/weights/none.toml --anonymous true"
    async with launcher_of(engine, engine_consul, "brief", server=wrong) as launcher:
        await launcher.keep(Role.BOTH, 1)

        with pytest.raises(LaunchError, match=r"ended by itself \(exit code 1\): .*none\.toml"):
            await until_gone(launcher)

        assert await launcher.count(Role.BOTH) == 0
    assert containers_of(engine, "brief") == []


@leaves_sockets
async def test_an_engine_that_is_restarted_gives_back_what_it_kept(engine, engine_consul):
    """With live-restore instances don't notice; without, they end, and are started anew."""
    seen = Seen(engine_consul, "restarted")
    engine.stop()
    engine.options = ("--live-restore",)
    engine.start()
    async with launcher_of(engine, engine_consul, "restarted") as launcher:
        await launcher.keep(Role.BOTH, 1)
        (before,) = await seen.hot(1)

        engine.stop()
        with pytest.raises(LaunchError, match="no Engine answers at unix://") as caught:
            await launcher.count(Role.BOTH)
        assert "\n" not in str(caught.value)
        del caught
        assert await seen.hot(1) == [before]

        engine.start()
        assert await launcher.count(Role.BOTH) == 1
        assert await seen.hot(1) == [before]

        engine.stop()
        engine.options = ()
        engine.start()
        with pytest.raises(LaunchError, match="ended by itself"):
            await launcher.count(Role.BOTH)
        assert await launcher.count(Role.BOTH) == 0
        await launcher.keep(Role.BOTH, 1)
        await seen.hot(1)
        remove_all(engine, "restarted")
    gc.collect()


@leaves_sockets
async def test_a_peak_is_met_by_timetable_and_by_a_start_within_it(engine, engine_consul, tmp_path):
    since_s = int(time.time())
    seen = Seen(engine_consul, tmp_path.name)
    try:
        # On the network of its host each instance picks a free port.
        server = f"--port 0 --advertise-host {engine.address}"
        docker = {"image": SERVER, "engine": engine.url, "network": "host"}
        async with fleet_on("docker", docker, server, engine_consul, tmp_path) as front:
            await a_peak_by_timetable_and_in_a_burst(front, seen)
            await eventually(lambda: len(containers_of(engine, tmp_path.name)) == 1, 20)
    finally:
        remove_all(engine, tmp_path.name)
    said = engine.command(
        *("events", "--since", str(since_s), "--until", str(int(time.time()) + 1)),
        *("--filter", "event=die", "--filter", f"label={FLEET}={tmp_path.name}"),
        *("--format", "{{.Actor.Attributes.exitCode}}"),
    )
    assert said.split()[0] == "0", "drained, not killed"


@leaves_sockets
async def test_without_an_image_the_fleet_goes_on_and_the_next_try_comes_later(
    engine, engine_consul, tmp_path
):
    docker = {"image": "nobody/has-this", "engine": engine.url}
    async with PlayedInstance() as permanent:
        engine_consul.register_unchecked(
            permanent.address, ("phase=hot", "chat-slots=2"), tmp_path.name
        )
        async with fleet_on("docker", docker, "", engine_consul, tmp_path, minimum=2) as front:
            await eventually(lambda: front.sidecar.heat.is_leading, 30)
            told: list[str] = []
            while sum("the Engine has no 'nobody/has-this'" in each for each in told) < 1:
                told = await decisions(front)
                await asyncio.sleep(0.1)
            assert (await front.chat.Reply(HELLO, timeout=10)).model == permanent.id
            # One try, then the back-off.
            assert len(told) == 2
    assert containers_of(engine, tmp_path.name) == []


def test_a_balancer_from_our_image_serves_a_server_from_our_image(engine, engine_consul):
    often = {"interval": 500_000_000, "timeout": 5_000_000_000, "start_period": 0, "retries": 3}
    client = engine.client
    server = client.containers.run(
        SERVER,
        [
            *("--model", "simulated", "--service-name", "pair"),
            *("--consul", engine_consul.url, "--anonymous", "true"),
        ],
        detach=True,
        healthcheck=often,
    )
    balancer = client.containers.run(
        BALANCER,
        detach=True,
        environment={
            "TIDEGATE_BALANCER_CONSUL": engine_consul.url,
            "TIDEGATE_BALANCER_SERVICE_NAME": "pair",
            "TIDEGATE_BALANCER_ANONYMOUS": "true",
        },
        ports={"50051": (engine.address, 50051)},
        healthcheck=often,
    )
    try:
        address = f"{engine.address}:50051"

        def serves() -> bool:
            return run("tidegate", "health", address).returncode == 0

        wait_until(serves, "a balancer with a hot instance")
        answer = run("tidegate", "classify", "味道很好", TIDEGATE_ADDRESS=address)
        assert answer.returncode == 0, answer.stderr

        def are_healthy() -> bool:
            for each in (server, balancer):
                each.reload()
            return {each.attrs["State"]["Health"]["Status"] for each in (server, balancer)} == {
                "healthy"
            }

        wait_until(are_healthy, "two healthy containers")
        for each in (balancer, server):
            each.stop(timeout=40)
            assert each.wait()["StatusCode"] == 0
    finally:
        for each in (balancer, server):
            each.remove(force=True, v=True)

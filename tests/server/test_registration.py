"""Registration against a real Consul agent that comes, goes and forgets."""

import json
from urllib.request import ProxyHandler, build_opener

import pytest
from structlog.testing import capture_logs
from support.waiting import eventually

from tidegate.server.consul_agent import ConsulAgent
from tidegate.server.front import Front
from tidegate.server.lane import Lane, Phase, Role
from tidegate.server.listener import Listener
from tidegate.server.registration import Instance, Registration

# Straight to the agent, whatever proxies the environment names.
_OPENER = build_opener(ProxyHandler({}))

pytestmark = pytest.mark.consul


def ask(agent, path: str):
    with _OPENER.open(agent.url + path, timeout=2) as answer:
        return json.load(answer)


def tags(agent, instance: str = "tidegate-127.0.0.1-50999") -> list[str]:
    return ask(agent, "/v1/agent/services").get(instance, {}).get("Tags", [])


@pytest.fixture
def consul(own_consul):
    """An agent that nobody else asks; not yet started."""
    return own_consul


def instance_at(port: int) -> Instance:
    slots = {Lane.SENTIMENT: 16, Lane.CHAT: 8}
    return Instance("tidegate", "127.0.0.1", port, Role.BOTH, slots, "some/model", "1.2")


@pytest.fixture
async def registration(consul):
    registration = Registration(instance_at(50999), ConsulAgent(consul.url))
    yield registration
    await registration.leave()


def test_the_facts_travel_as_tags():
    instance = Instance("tidegate", "h", 7, Role.CHAT, {Lane.CHAT: 8}, "some/model", "1.2")
    assert instance.id == "tidegate-h-7"
    assert instance.tags(Phase.HOT) == [
        "role=chat",
        "phase=hot",
        "sentiment-slots=0",
        "chat-slots=8",
        "degraded-slots=0",
        "model=some/model",
        "version=1.2",
    ]


def test_one_that_a_launcher_started_says_by_whom():
    instance = Instance("tidegate", "h", 7, Role.CHAT, {}, "m", "1.2", launched_by="process@h")
    assert instance.tags(Phase.WARMING)[-1] == "launched-by=process@h"


async def test_an_instance_is_registered_under_its_phase_until_it_leaves(consul, registration):
    consul.start()
    registration.start()
    assert await registration.wait_told(10)
    assert "phase=warming" in tags(consul)
    for phase in (Phase.HOT, Phase.DRAINING):
        registration.announce(phase)
        assert await registration.wait_told(2)
        assert f"phase={phase.value}" in tags(consul)
    await registration.leave()
    assert ask(consul, "/v1/agent/services") == {}


async def test_a_consul_that_comes_late_is_told_and_logged_once(consul, registration):
    with capture_logs() as logs:
        registration.start()
        assert not await registration.wait_told(1.0)
        consul.start()
        assert await registration.wait_told(15)
    events = [line["event"] for line in logs]
    assert events == [
        "consul is away, trying again until it answers",
        "consul is back",
        "registered in consul",
    ]


async def test_a_consul_that_forgot_the_instance_is_told_again(consul, registration):
    consul.start()
    registration.start()
    registration.announce(Phase.HOT)
    assert await registration.wait_told(10)
    consul.stop()
    consul.start()
    await eventually(lambda: "phase=hot" in tags(consul), 20)


async def test_leaving_a_consul_that_is_away_is_no_error(consul):
    registration = Registration(instance_at(50999), ConsulAgent(consul.url))
    registration.start()
    await registration.leave()


async def test_the_settings_address_counts_and_not_the_environment(consul, monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    consul.start()
    assert ConsulAgent(consul.url).find_tags("nobody") is None


async def test_consuls_check_passes_when_the_instance_serves(consul):
    consul.start()
    async with Listener(Role.BOTH, Front(Role.BOTH)) as listener:
        port = await listener.start("127.0.0.1", 0)
        registration = Registration(instance_at(port), ConsulAgent(consul.url))
        registration.start()

        def is_passing() -> bool:
            return bool(ask(consul, "/v1/health/service/tidegate?passing"))

        assert await registration.wait_told(10)
        assert not is_passing()
        await listener.start_serving()
        await eventually(is_passing)
        ((check,),) = [
            [each for each in entry["Checks"] if each["ServiceName"] == "tidegate"]
            for entry in ask(consul, "/v1/health/service/tidegate")
        ]
        assert check["Type"] == "grpc"
        await listener.stop_serving()
        await eventually(lambda: not is_passing())
        await registration.leave()

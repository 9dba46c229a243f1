from pathlib import Path

import pytest

from tidegate.balancer.config import BalancerSettings, ProcessSettings
from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.choice import _server, launcher_of


def settings(**more: object) -> BalancerSettings:
    return BalancerSettings(launcher="process", max_instances=2, service_name="s", **more)


def test_without_a_launcher_nothing_is_started():
    assert launcher_of(BalancerSettings()) is None


def test_what_is_started_signs_with_launcher_and_machine_and_lies_where_users_keep_state():
    choice = launcher_of(settings())
    assert choice is not None
    assert choice.name.startswith("process@")
    assert f"{Path.home()}/.local/state/tidegate/s" in repr(choice.launcher)
    elsewhere = launcher_of(settings(process=ProcessSettings(state=Path("/there"))))
    assert "/there" in repr(elsewhere)


def test_a_server_is_told_where_consul_is_unless_its_flags_say_so():
    plain = _server(settings(consul="http://c:1"), Role.CHAT, "n")
    assert plain[-10:] == (
        *("--consul", "http://c:1", "--service-name", "s"),
        *("--port", "0", "--role", "chat", "--launched-by", "n"),
    )
    flags = ProcessSettings(server="--model 'a b' --consul=http://d:2")
    own = _server(settings(process=flags), Role.CHAT, "n")
    assert "a b" in own
    assert "http://127.0.0.1:8500" not in own


@pytest.mark.parametrize("name", ["docker", "swarm", "kubernetes"])
def test_an_engine_s_launcher_signs_with_its_name(name: str):
    choice = launcher_of(BalancerSettings(launcher=name, max_instances=2))
    assert choice is not None
    assert choice.name == name
    assert type(choice.launcher).__name__.lower() == f"{name}launcher"

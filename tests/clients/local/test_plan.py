from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tidegate.clients.local.plan import Plan, missing_extra, missing_web_extra

PLAN = Plan("bundled", 50051, (4001, 4002))


def test_without_consul_the_balancer_is_told_its_instances() -> None:
    argv = PLAN.balancer(None).argv
    assert argv[argv.index("--instances") + 1] == "127.0.0.1:4001,127.0.0.1:4002"
    assert "--consul" not in argv
    for server in PLAN.servers(None):
        assert server.argv[server.argv.index("--consul") + 1] == "off"


def test_with_consul_all_are_told_its_url() -> None:
    url = "http://127.0.0.1:8500"
    for command in (*PLAN.servers(url), PLAN.balancer(url)):
        assert command.argv[command.argv.index("--consul") + 1] == url
    assert "--instances" not in PLAN.balancer(url).argv


def test_each_server_has_its_own_port_and_the_same_model() -> None:
    servers = PLAN.servers(None)
    assert [server.argv[server.argv.index("--port") + 1] for server in servers] == ["4001", "4002"]
    assert {server.argv[server.argv.index("--model") + 1] for server in servers} == {"bundled"}
    assert len({server.name for server in servers}) == 2


def test_folders_are_passed_on_only_if_given() -> None:
    plan = Plan("bundled", 50051, (4001,), profiles=Path("/p"), cache_dir=Path("/c"))
    (server,) = plan.servers(None)
    assert server.argv[server.argv.index("--profiles") + 1] == "/p"
    assert server.argv[server.argv.index("--cache-dir") + 1] == "/c"
    assert "--profiles" not in PLAN.servers(None)[0].argv


def test_the_page_shows_the_balancer_of_the_plan() -> None:
    assert PLAN.page() == []
    (page,) = Plan("bundled", 50051, (4001,), web_port=4080).page()
    assert page.argv[page.argv.index("--address") + 1] == "127.0.0.1:50051"
    assert page.argv[page.argv.index("--port") + 1] == "4080"


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
def test_a_page_that_is_not_installed_is_named_by_its_extra(
    monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    assert missing_web_extra() is None
    monkeypatch.setitem(sys.modules, absent, None)
    assert missing_web_extra() == "tidegate[web]"


@pytest.mark.parametrize(
    ("absent", "model", "extra"),
    [
        ("torch", "Qwen/Qwen1.5-0.5B-Chat", "tidegate[server]"),
        ("gguf", "bundled", "tidegate[server,bundled]"),
    ],
)
def test_what_is_not_installed_is_named_by_its_extra(
    monkeypatch: pytest.MonkeyPatch, absent: str, model: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    assert missing_extra(model) == extra


def test_cold_servers_are_the_balancers_to_start_with_the_same_flags() -> None:
    plan = Plan("bundled", 50051, (4001,), profiles=Path("/my own"), cold=2, state=Path("/s"))
    argv = plan.balancer("http://127.0.0.1:8500").argv
    assert argv[argv.index("--launcher") + 1] == "process"
    assert argv[argv.index("--max-instances") + 1] == "3"
    assert argv[argv.index("--process.state") + 1] == "/s"
    assert "--process.server=--model bundled --host 127.0.0.1 --profiles '/my own'" in argv
    assert "--launcher" not in PLAN.balancer("http://127.0.0.1:8500").argv

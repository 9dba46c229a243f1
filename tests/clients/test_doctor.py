"""What `tidegate doctor` makes of machines, models and surroundings, good and bad."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from support.consul import ConsulAgent
from support.instances import NOT_SERVING, PlayedInstance
from support.programs import free_port
from support.shell import Shell

from tidegate.clients.doctor import machine, model, network, reach
from tidegate.clients.doctor.finding import Finding, Verdict
from tidegate.clients.doctor.machine import GIB, Machine
from tidegate.clients.doctor.model import Weights

GOOD = Machine(
    cores=4,
    cpu_quota=None,
    flags=frozenset({"avx2", "avx512f"}),
    available_bytes=8 * GIB,
    swap_used_bytes=0,
    open_files=65_536,
    locked_bytes=None,
)
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=timezone.utc)
OK, NOTE, WARNING, PROBLEM = Verdict.OK, Verdict.NOTE, Verdict.WARNING, Verdict.PROBLEM


def named(findings: list[Finding], name: str) -> Finding:
    (found,) = [each for each in findings if each.name == name]
    return found


def test_a_good_machine_needs_nothing():
    assert {each.verdict for each in machine.judge(GOOD)} == {OK}


@pytest.mark.parametrize(
    ("name", "changed", "verdict", "advice"),
    [
        ("cores", {"cpu_quota": 1.5}, WARNING, "--threads 1"),
        ("cores", {"cpu_quota": 4.0}, OK, ""),
        ("vectors", {"flags": frozenset({"sse2"})}, WARNING, "another machine type"),
        ("vectors", {"flags": frozenset()}, NOTE, ""),
        ("memory", {"swap_used_bytes": GIB}, WARNING, "--lock-memory"),
        ("memory", {"available_bytes": None}, NOTE, ""),
        ("open files", {"open_files": 1024}, WARNING, "ulimit -n"),
        ("memory lock", {"locked_bytes": 8 << 20}, NOTE, "ulimit -l"),
    ],
)
def test_what_a_machine_lacks_is_named_with_what_to_do(
    name: str, changed: dict[str, Any], verdict: Verdict, advice: str
):
    found = named(machine.judge(replace(GOOD, **changed)), name)
    assert found.verdict is verdict
    assert advice in found.advice


def test_a_containers_limits_count_as_the_machines(tmp_path: Path):
    (tmp_path / "meminfo").write_text(
        "MemAvailable:    4194304 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB\n"
    )
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags : fpu avx2\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB}\n")

    seen = machine.read(tmp_path, tmp_path)

    assert (seen.cpu_quota, seen.available_bytes, seen.flags) == (1.5, GIB, {"fpu", "avx2"})
    assert seen.swap_used_bytes == 1024 * 1024


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path):
    seen = machine.read(tmp_path, tmp_path)
    assert (seen.cpu_quota, seen.available_bytes, seen.flags) == (None, None, frozenset())


@pytest.mark.parametrize(
    ("weights", "free", "available", "verdicts"),
    [
        (Weights(Path("/w"), GIB), 9 * GIB, 8 * GIB, [OK, OK, OK]),
        (Weights(Path("/w"), 4 * GIB), 9 * GIB, 2 * GIB, [OK, OK, PROBLEM]),
        (Weights(Path("/w"), 0), 9 * GIB, 8 * GIB, [NOTE, OK]),
        (Weights(Path("/w"), 0), GIB, 8 * GIB, [NOTE, WARNING]),
        (Weights(Path("/w"), GIB, is_partial=True), 9 * GIB, None, [WARNING, OK]),
        (None, 0, None, [PROBLEM]),
    ],
)
def test_weights_need_a_place_and_memory(weights, free, available, verdicts):
    found = model.judge_weights("some/model", weights, free, available)
    assert [each.verdict for each in found] == verdicts


def test_weights_are_found_where_a_server_would_look(tmp_path: Path):
    blobs = tmp_path / "models--some--model" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "aa").write_bytes(b"x" * 100)
    (blobs / "bb.part").write_bytes(b"x" * 10)
    snapshot = blobs.parent / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(blobs / "aa")

    assert model.find_weights("some/model", tmp_path) == Weights(tmp_path, 110, is_partial=True)
    assert model.find_weights("other/model", tmp_path) == Weights(tmp_path, 0)
    assert model.find_weights(str(snapshot), None) == Weights(snapshot, 0)
    assert model.find_weights("no-model", tmp_path) is None


@pytest.mark.parametrize(
    ("has", "verdict"),
    [
        ({"torch": True, "x": True}, OK),
        ({"torch": False, "x": False}, NOTE),
        ({"a": True, "x": False}, PROBLEM),
    ],
)
def test_a_half_installed_server_is_a_problem_and_a_client_is_none(has, verdict):
    assert model.judge_packages(has).verdict is verdict


def entry(address: str = "10.0.0.1", node: str = "n", status: str = "passing", output: str = ""):
    return {
        "Service": {"Address": address},
        "Node": {"Node": node},
        "Checks": [{"Status": status, "Output": output}],
    }


@pytest.mark.parametrize(
    ("agent", "name", "verdict"),
    [
        (network.NoAgent("connection refused"), "consul", WARNING),
        (network.Agent("", None, []), "consul", PROBLEM),
        (network.Agent("l", None, []), "instances", NOTE),
        (network.Agent("l", None, [entry()]), "instances", OK),
        (
            network.Agent("l", None, [entry(status="critical", output="refused")]),
            "instances",
            PROBLEM,
        ),
        (network.Agent("l", None, [entry("127.0.0.1"), entry(node="m")]), "addresses", PROBLEM),
    ],
)
def test_a_consul_is_judged_by_what_it_says(agent, name: str, verdict: Verdict):
    assert named(network.judge_agent("url", "tidegate", agent), name).verdict is verdict


@pytest.mark.parametrize(("off_s", "verdict"), [(0, OK), (2.5, OK), (4, WARNING), (-4, WARNING)])
def test_a_clock_may_be_off_by_seconds_only(off_s: float, verdict: Verdict):
    found = network.judge_clock(NOW - timedelta(seconds=off_s), NOW)
    assert found.verdict is verdict
    assert network.judge_clock(None, NOW).verdict is NOTE


@pytest.mark.parametrize(
    ("status", "is_bound", "verdict"),
    [
        ("SERVING", True, OK),
        ("NOT_SERVING", True, WARNING),
        (None, True, PROBLEM),
        (None, False, NOTE),
    ],
)
def test_a_port_is_judged_by_who_answers_there(status, is_bound, verdict):
    assert reach.judge_port("balancer", "a:1", status, is_bound).verdict is verdict


@pytest.mark.consul
async def test_the_command_looks_at_what_is_there_and_exits_by_the_worst(
    consul: ConsulAgent, tmp_path: Path
):
    async with PlayedInstance() as serving, PlayedInstance() as warming:
        await warming.say_health(NOT_SERVING)
        command = [
            "doctor",
            "--model",
            "simulated",
            "--consul",
            consul.url,
            "--service-name",
            "none",
        ]
        command += ["--address", serving.address, "--server", warming.address]
        done = await Shell("").run(*command, "--json")
        found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
        assert done.exit_code == 0
        assert found[f"balancer at {serving.address}"]["verdict"] == "ok"
        assert found[f"server at {warming.address}"]["verdict"] == "warning"
        assert found["consul"]["verdict"] == "ok"
        assert found["clock"]["verdict"] == "ok"
        assert found["instances"]["verdict"] == "note"
        shown = await Shell("").run(*command)
        assert f"WARN  server at {warming.address}" in shown.stdout
        assert "do: nothing is hot" in shown.stdout

        with socket.create_server(("127.0.0.1", free_port())) as other:
            stranger = f"127.0.0.1:{other.getsockname()[1]}"
            done = await Shell("").run(
                *("doctor", "--model", "simulated", "--consul", "off"),
                *("--address", stranger, "--server", serving.address),
            )
    assert done.exit_code == 1
    assert f"FAIL  balancer at {stranger}" in done.stdout

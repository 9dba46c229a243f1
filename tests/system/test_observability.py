"""Dashboard and alerts, read by a real Prometheus from a real balancer and its servers under load."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.consul import free_ports
from support.otlp import Collector, running_collector
from support.programs import running
from support.prometheus import Prometheus, promtool, running_prometheus
from support.waiting import eventually

from tidegate.v1 import chat_pb2, chat_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

pytestmark = pytest.mark.beside

OBSERVABILITY = Path(__file__).resolve().parents[2] / "deploy" / "observability"
DASHBOARD = json.loads((OBSERVABILITY / "dashboard.json").read_text("utf-8"))
RATE_INTERVAL = "4s"
CALLERS = 10


def panels() -> list[dict[str, Any]]:
    """Those that show something; rows only hold them together."""
    return [each for each in DASHBOARD["panels"] if each["type"] != "row"]


def test_promtool_has_nothing_to_say_against_the_rules():
    for command in (
        ("check", "config", "prometheus.yaml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"),
    ):
        done = promtool(*command, cwd=OBSERVABILITY)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_comes_when_it_should_and_not_before():
    done = promtool("test", "rules", "alerts_test.yaml", cwd=OBSERVABILITY)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_names_a_symptom_of_the_runbook():
    rules = (OBSERVABILITY / "alerts.yaml").read_text("utf-8")
    tested = (OBSERVABILITY / "alerts_test.yaml").read_text("utf-8")
    names = re.findall(r"- alert: (\w+)", rules)
    assert names
    assert all(f"alertname: {name}" in tested for name in names)
    runbook = (OBSERVABILITY.parents[1] / "docs" / "runbook.md").read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", runbook, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    wanted = re.findall(r"docs/runbook\.md#(\S+)", rules)
    assert len(wanted) == len(names)
    assert set(wanted) <= anchors


def test_the_panels_have_ids_of_their_own_and_don_t_overlap():
    everything = DASHBOARD["panels"]
    assert len({each["id"] for each in everything}) == len(everything)
    cells = [
        (column, row)
        for at in (each["gridPos"] for each in everything)
        for column in range(at["x"], at["x"] + at["w"])
        for row in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) < 24


@dataclass(frozen=True)
class Watched:
    """A balancer under load, and the Prometheus that reads it and its servers."""

    balancer: str
    prometheus: Prometheus
    collector: Collector


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two servers that take the time of a fast model, with few slots, behind one balancer."""
    folder = tmp_path_factory.mktemp("watched")
    fast = folder / "fast.toml"
    fast.write_text("step_s = 0.02\nprompt_token_s = 0\nrow_s = 0.001\nreply_tokens = 20\n")
    ports = free_ports(6)
    serving = ["tidegate-server", "--model", f"simulated:{fast}", "--consul", "off"]
    serving += ["--sentiment-slots", "2", "--chat-slots", "2"]
    first, second = (
        [*serving, "--port", str(ports[each]), "--metrics-listen", f"127.0.0.1:{ports[each + 2]}"]
        for each in (0, 1)
    )
    balancing = ["tidegate-balancer", "--port", str(ports[4]), "--slow-start-s", "0"]
    balancing += ["--instances", f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"]
    balancing += ["--metrics-listen", f"127.0.0.1:{ports[5]}", "--chat-queue-limit", "6"]
    balancing += ["--degrade-enter-s", "0.5", "--degrade-leave-s", "0.2"]
    balancing += ["--traces-share", "0.1", "--traces-to"]
    targets = {
        "tidegate-server": [f"127.0.0.1:{port}" for port in ports[2:4]],
        "tidegate-balancer": [f"127.0.0.1:{ports[5]}"],
    }
    with (
        running_collector() as collector,
        running(first, folder / "first") as one,
        running(second, folder / "second") as other,
        running([*balancing, collector.endpoint], folder / "balancer") as balancer,
        running_prometheus(OBSERVABILITY / "prometheus.yaml", targets, folder) as prometheus,
    ):
        one.wait_for(" hot ")
        other.wait_for(" hot ")
        balancer.wait_for("2 hot")
        yield Watched(f"127.0.0.1:{ports[4]}", prometheus, collector)


async def call_on(address: str, over: asyncio.Event) -> None:
    """Callers of both kinds who come again at once, more than there are slots for, until it is over."""
    numbers = count()
    async with grpc.aio.insecure_channel(address) as channel:
        sentiment = sentiment_pb2_grpc.SentimentStub(channel)
        chat = chat_pb2_grpc.ChatStub(channel)

        async def keep_calling() -> None:
            while not over.is_set():
                number = next(numbers)
                try:
                    if number % 2:
                        label = sentiment_pb2.ClassifyRequest(text=f"text {number}")
                        await sentiment.Classify(label, timeout=5)
                    else:
                        await chat.Reply(chat_pb2.ReplyRequest(text=f"text {number}"), timeout=5)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)

        await asyncio.gather(*(keep_calling() for _ in range(2 * CALLERS)))


def empty_targets(prometheus: Prometheus) -> list[str]:
    """The queries of the dashboard that have no number now."""
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels()
        for target in panel["targets"]
        if not prometheus.query(target["expr"].replace("$__rate_interval", RATE_INTERVAL))
    ]


async def test_every_panel_has_data_while_calls_come(watched: Watched):
    over = asyncio.Event()
    calling = asyncio.ensure_future(call_on(watched.balancer, over))
    still: list[str] = ["nothing was asked"]

    async def all_have_data() -> bool:
        nonlocal still
        still = await asyncio.to_thread(empty_targets, watched.prometheus)
        return not still

    try:
        for _ in range(60):
            if await all_have_data():
                break
            await asyncio.sleep(0.5)
    finally:
        over.set()
        await calling
    assert still == []


async def test_a_point_of_a_panel_leads_to_a_trace_that_the_collector_has(watched: Watched):
    async def led_to() -> set[str]:
        found = await asyncio.to_thread(
            watched.prometheus.ask,
            "query_exemplars",
            query="tidegate_call_duration_seconds_bucket",
            start=str(time.time() - 60),
            end=str(time.time() + 60),
        )
        return {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}

    over = asyncio.Event()
    calling = asyncio.ensure_future(call_on(watched.balancer, over))
    has_been_led = False
    try:
        # Spans are sent every five seconds.
        for _ in range(60):
            known = {each.trace_id for each in watched.collector.spans}
            has_been_led = bool(await led_to() & known)
            if has_been_led:
                break
            await asyncio.sleep(0.25)
    finally:
        over.set()
        await calling
    assert has_been_led


async def test_the_rules_are_loaded_and_every_target_is_read(watched: Watched):
    def are_all_up() -> bool:
        targets = watched.prometheus.ask("targets", state="active")["activeTargets"]
        return [each["health"] for each in targets] == ["up"] * 3

    await eventually(are_all_up)
    (group,) = watched.prometheus.ask("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}

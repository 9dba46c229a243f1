"""`tidegate load` against a real balancer: what it says is what the balancer counted."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.metrics import Scrape, scrape
from support.programs import free_port, port_of, running
from support.shell import Shell
from support.sidecars import Front, front
from support.waiting import eventually


def near(ours: int, theirs: float) -> bool:
    return abs(ours - theirs) <= 0.02 * theirs


@dataclass(frozen=True)
class Loaded:
    """A balancer before one server, and what both of them count for Prometheus."""

    front: Front
    server_metrics: int

    async def counted(self) -> tuple[Scrape, Scrape]:
        """The metrics of the balancer and of the server."""
        return await scrape(self.front.sidecar.metrics_port), await scrape(self.server_metrics)


@asynccontextmanager
async def service(tmp_path: Path) -> AsyncIterator[Loaded]:
    """A balancer before a real server that only takes the time of a model: a chat at once, 40 ms each."""
    latency = tmp_path / "fast.toml"
    latency.write_text("step_s = 0.005\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 8\n")
    arguments = ["tidegate-server", "--model", f"simulated:{latency}", "--chat-slots", "1"]
    arguments += ["--metrics-listen", f"127.0.0.1:{(metrics := free_port())}"]
    with running([*arguments, "--port", "0", "--consul", "off"], tmp_path / "log") as program:
        await asyncio.to_thread(program.wait_for, " hot ")
        instance = f"127.0.0.1:{port_of(program)}"
        settings = {"chat_queue_limit": 1, "metrics_listen": "127.0.0.1:0"}
        async with front(instances=instance, **settings) as it:
            await it.hot(1)
            yield Loaded(it, metrics)


async def test_its_figures_are_those_of_the_balancers_and_the_servers_metrics(
    tmp_path: Path,
) -> None:
    picture = tmp_path / "load.png"
    async with service(tmp_path) as it:
        done = await Shell(f"127.0.0.1:{it.front.sidecar.port}").run(
            *("load", "--steps", "60:1,120:2", "--mix", "sentiment=2,chat=1,judge=1", "--json"),
            *("--plot", str(picture), "--reply-tokens", "8"),
        )
        balancer, server = await it.counted()
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert 200 < sum(lane["offered"] for lane in said["lanes"].values()) < 400
    for lane, ours in said["lanes"].items():
        assert near(ours["offered"], balancer("tidegate_calls_offered_total", lane=lane))
        for end in ("full", "degraded", "shed", "expired", "failed"):
            counted = balancer("tidegate_calls_ended_total", lane=lane, outcome=end)
            assert near(ours[end], counted), end
            assert said["balancer"][lane][end] == counted
        for reason, count in ours["reasons"].items():
            counted = balancer("tidegate_calls_shed_total", lane=lane, reason=reason)
            assert near(count, counted), reason
        answered = server("gen_ai_server_request_duration_seconds_count", lane=lane, error_type="")
        assert ours["full"] > 0
        assert near(ours["full"], answered)
        assert ours["shed"] == sum(ours["reasons"].values())
        assert ours["offered"] == sum(
            ours[end] for end in ("full", "degraded", "shed", "expired", "failed")
        )
        assert 0 < ours["answered_s"]["p50"] <= ours["answered_s"]["p99"]
    assert said["lanes"]["chat"]["first_s"]["p50"] > 0
    assert said["tool"]["processes"] == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_a_terminal_shows_it_while_it_runs_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    loop, shown = asyncio.get_running_loop(), bytearray()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 65536)))
    async with service(tmp_path) as it:
        shell = Shell(f"127.0.0.1:{it.front.sidecar.port}")
        process = await shell.start("load", "--rate", "50", "--duration", "60", stderr=theirs)
        try:
            await eventually(lambda: b"calls/s offered" in shown, within_s=20)
            process.send_signal(signal.SIGINT)
            out, _ = await asyncio.wait_for(process.communicate(), 20)
        finally:
            loop.remove_reader(ours)
            os.close(theirs)
            os.close(ours)
    assert process.returncode == 130
    # What there was until then is told.
    assert "goodput" in out.decode()
    assert "the balancer counted in sentiment" in out.decode()


async def test_a_recorded_load_is_made_again_call_by_call(tmp_path: Path) -> None:
    trace = tmp_path / "monday.csv"
    lines = [f"{n / 50},{'chat' if n % 10 == 0 else 'sentiment'}" for n in range(60)]
    trace.write_text("at_s,method\n" + "\n".join(lines) + "\n", "utf-8")
    async with service(tmp_path) as it:
        shell = Shell(f"127.0.0.1:{it.front.sidecar.port}")
        done = await shell.run("load", "--trace", str(trace), "--json", "--reply-tokens", "2")
        trace.write_text("at_s,method\n0.1,chat\n0.2,dance\n", "utf-8")
        wrong = await shell.run("load", "--trace", str(trace))
    assert done.exit_code == 0, done.stderr
    lanes = json.loads(done.stdout)["lanes"]
    assert {lane: told["offered"] for lane, told in lanes.items()} == {"sentiment": 54, "chat": 6}
    assert lanes["chat"]["first_s"]["p50"] > 0
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "line 3: method: 'dance' is none of sentiment, chat, judge" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mix", "dance=1"), "methods are sentiment, chat, judge"),
        (("--mix", "sentiment=0"), "one share at least is above 0"),
        (("--steps", "200"), "--steps: '' is not a number from 0 on"),
        (("--deadlines", "chat=0"), "--deadlines: each is above 0"),
        (("--trace", "none.csv"), "none.csv"),
    ],
)
async def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], said: str
) -> None:
    done = await Shell("127.0.0.1:1").run("load", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr

"""One trace across client, balancer and server, as real commands send it over OTLP; and none where nobody asks."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.consul import free_ports
from support.metrics import scrape_now
from support.otlp import Collector, running_collector, tree
from support.programs import running

pytestmark = pytest.mark.beside

DOC = Path(__file__).resolve().parents[2] / "docs" / "tracing.md"
METHOD = "tidegate.v1.Chat/JudgeAndReply"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as it:
        yield it


def test_one_trace_goes_from_the_command_line_through_the_balancer_into_the_engine(
    collector: Collector, tmp_path: Path
):
    ports = free_ports(3)
    traces = ["--traces-to", collector.endpoint]
    fast = tmp_path / "fast.toml"
    fast.write_text("step_s = 0.01\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 5\n")
    model = f"simulated:{fast}"
    serving = ["tidegate-server", "--model", model, "--consul", "off", "--port", str(ports[0])]
    serving += ["--metrics-listen", f"127.0.0.1:{ports[2]}"]
    balancing = ["tidegate-balancer", "--instances", f"127.0.0.1:{ports[0]}"]
    with (
        running([*serving, *traces], tmp_path / "server") as server,
        running([*balancing, "--port", str(ports[1]), *traces], tmp_path / "balancer") as balancer,
    ):
        server.wait_for(" hot ")
        balancer.wait_for("1 hot")
        asking = ["tidegate", *traces, "judge", "很好", "--address", f"127.0.0.1:{ports[1]}"]
        # What is prepared once is part of the first trace, so look at the second.
        for name in ("first", "second"):
            with running(asking, tmp_path / name) as judge:
                assert judge.process.wait(30) == 0, judge.output
        read = scrape_now(ports[2], Accept="application/openmetrics-text;version=1.0.0")
        assert read("gen_ai_server_request_duration_seconds_count", lane="chat", error_type="") == 2
        assert balancer.stop() == 0
        assert server.stop() == 0

    last = collector.spans[-1].trace_id
    spans = [each for each in collector.spans if each.trace_id == last]
    client, balanced, served = (
        next(each for each in spans if (each.service, each.name) == who)
        for who in (
            ("tidegate", "JudgeAndReply"),
            ("tidegate-balancer", METHOD),
            ("tidegate-server", METHOD),
        )
    )
    assert (client.parent_id, balanced.parent_id, served.parent_id) == ("", client.id, balanced.id)
    assert len({each.trace_id for each in spans}) == 1
    parts = [each for each in spans if each.parent_id == served.id]
    assert [each.name for each in parts] == ["queue", "prefill", "prefill", "decode"]
    assert all(one.ended_ns <= other.began_ns for one, other in pairwise(parts))
    assert served.began_ns <= parts[0].began_ns
    assert parts[-1].ended_ns <= served.ended_ns
    assert balanced.happened == ["send", "first_byte"]
    assert balanced.facts["tidegate.outcome"] == "full"
    assert balanced.facts["tidegate.served_by"] == f"tidegate-127.0.0.1-{ports[0]}"
    assert served.facts["gen_ai.operation.name"] == "chat"
    assert served.facts["gen_ai.request.model"] == model
    assert served.facts["gen_ai.usage.input_tokens"] > 0
    assert served.facts["gen_ai.usage.output_tokens"] == 6, "five, and the end"
    assert served.facts["rpc.response.status_code"] == "OK"
    assert shape(tree(spans)) == shape(documented())


def shape(lines: list[str]) -> list[str]:
    """The lines without their times."""
    return [re.sub(r"^[\d. ms]+(?=[a-z·])", "", line).strip() for line in lines]


def documented() -> list[str]:
    """The trace that docs/tracing.md shows."""
    (block,) = re.findall(r"```trace\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    return block.splitlines()


NOTHING = """
import asyncio, sys
from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.sidecar import Sidecar
from tidegate.server.config import ServerSettings
from tidegate.server.life import Life
from tidegate.clients import Client
async def main():
    Sidecar(BalancerSettings(instances="127.0.0.1:1"), "test")
    Life(ServerSettings(model="simulated"))
asyncio.run(main())
Client().close()
print([each for each in sys.modules if each.startswith("opentelemetry")])
"""


def test_where_nobody_traces_nothing_of_it_is_even_imported():
    said = subprocess.run(
        [sys.executable, "-c", NOTHING], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1] == "[]"

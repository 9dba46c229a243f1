"""Servers come and go in a real Consul, and the balancer follows without being told."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from support.consul import ConsulAgent
from support.programs import Program, free_port, run, running, wait_until

from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

pytestmark = pytest.mark.beside

Start = Callable[[str], Program]


@pytest.fixture
def balancer(consul: ConsulAgent, tmp_path: Path) -> Iterator[str]:
    """The address of a balancer that looks for a service of this test's own."""
    port = free_port()
    arguments = ["tidegate-balancer", "--consul", consul.url, "--service-name", tmp_path.name]
    # A fresh instance would grow to its slots over half a minute; here it has them at once.
    arguments += ["--slow-start-s", "0"]
    with running([*arguments, "--port", str(port)], tmp_path / "balancer.log") as program:
        program.wait_for("balancer listens")
        yield f"localhost:{port}"


@pytest.fixture
def start(consul: ConsulAgent, tiny_model: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a server under a name; all of them end with the test."""
    with ExitStack() as stack:

        def begin(name: str) -> Program:
            arguments = ["tidegate-server", "--model", str(tiny_model), "--port", "0"]
            arguments += ["--consul", consul.url, "--service-name", tmp_path.name]
            return stack.enter_context(running(arguments, tmp_path / f"{name}.log"))

        yield begin


def instances(balancer: str) -> list[dict[str, object]]:
    ended = run("tidegate", "status", "--json", TIDEGATE_ADDRESS=balancer)
    found: list[dict[str, object]] = json.loads(ended.stdout)["instances"]
    return found


def hot(balancer: str) -> int:
    return sum(str(one["phase"]).lower() == "hot" for one in instances(balancer))


def classify(balancer: str) -> int:
    """Return the exit code of one call that is not retried for long."""
    return run("tidegate", "classify", "-t", "2", "味道不错", TIDEGATE_ADDRESS=balancer).returncode


def test_a_fleet_lives_dies_and_comes_back(balancer: str, start: Start) -> None:
    """Killing the only server: UNAVAILABLE with a hint within 3 s. Another one: answers again."""
    first = start("first")
    wait_until(lambda: hot(balancer) == 1, "the first server being hot", 60)
    assert classify(balancer) == 0

    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    began_s = time.monotonic()
    with grpc.insecure_channel(balancer) as channel, pytest.raises(grpc.RpcError) as caught:
        SentimentStub(channel).Classify(ClassifyRequest(text="味道不错"), timeout=10)
    assert time.monotonic() - began_s < 3
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) >= 0

    refused = run("tidegate", "classify", "-t", "2", "味道不错", TIDEGATE_ADDRESS=balancer)
    assert refused.returncode == 4, refused.stderr
    assert "Traceback" not in refused.stderr

    start("second")
    wait_until(lambda: classify(balancer) == 0, "an answer by the second server", 60)


def test_a_second_server_shares_the_load_at_once(balancer: str, start: Start) -> None:
    for name in ("first", "second"):
        start(name)
    wait_until(lambda: hot(balancer) == 2, "both servers being hot", 90)

    with grpc.insecure_channel(balancer) as channel:
        stub = SentimentStub(channel)
        calls = [stub.Classify.future(ClassifyRequest(text=f"第{n}条")) for n in range(12)]
        trailers = [dict(call.trailing_metadata()) for call in calls]

    served = Counter(one["tidegate-served-by"] for one in trailers)
    assert sorted(served) == sorted(str(one["id"]) for one in instances(balancer))
    assert min(served.values()) >= 3, served


def test_a_server_that_drains_leaves_consul_and_exits_with_zero(
    balancer: str, start: Start
) -> None:
    server = start("only")
    wait_until(lambda: hot(balancer) == 1, "the server being hot", 60)

    assert server.stop(signal.SIGTERM) == 0
    wait_until(lambda: not instances(balancer), "the balancer forgetting it", 5)


def test_a_balancer_that_is_started_first_waits_for_its_consul(
    own_consul: ConsulAgent, tiny_model: Path, tmp_path: Path
) -> None:
    port = free_port()
    balance = ["tidegate-balancer", "--consul", own_consul.url, "--port", str(port)]
    serve = [
        "tidegate-server",
        "--consul",
        own_consul.url,
        "--model",
        str(tiny_model),
        "--port",
        "0",
    ]
    with running(balance, tmp_path / "balancer"), running(serve, tmp_path / "server") as server:
        server.wait_for("hot", 60)
        address = f"localhost:{port}"
        assert classify(address) == 4

        own_consul.start()

        wait_until(lambda: classify(address) == 0, "an answer once Consul is there", 60)

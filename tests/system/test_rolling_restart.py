"""Every part is restarted, one after another, while labels are asked for: none of them fails."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from support.consul import ConsulAgent, free_ports
from support.programs import Program, running, wait_until

from tidegate.clients.service_config import SERVICE_CONFIG
from tidegate.v1 import fleet_pb2, fleet_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

CALLS_A_SECOND = 30
FAST = "step_s = 0.005\nprompt_token_s = 0\nrow_s = 0.0005\nreply_tokens = 5\n"


@dataclass
class Load:
    """Labels that are asked for at an even pace, and what came of them."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@asynccontextmanager
async def labels(ports: list[int]) -> AsyncIterator[Load]:
    """Ask by the retry policy of the contract, of all balancers in turn, until the block is left."""
    config = json.loads(SERVICE_CONFIG)
    config["loadBalancingConfig"] = [{"round_robin": {}}]
    config["healthCheckConfig"] = {"serviceName": "readiness"}
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    options = [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 500),
    ]
    load, asking = Load(), set[asyncio.Task[None]]()
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = sentiment_pb2_grpc.SentimentStub(channel)

        async def ask(number: int) -> None:
            try:
                request = sentiment_pb2.ClassifyRequest(text=f"review {number}")
                await stub.Classify(request, timeout=15)
                load.answered += 1
            except grpc.aio.AioRpcError as error:
                load.failures.append(f"{error.code()} {error.details()}")

        async def come() -> None:
            number = 0
            while True:
                task = asyncio.ensure_future(ask(number))
                asking.add(task)
                task.add_done_callback(asking.discard)
                number += 1
                await asyncio.sleep(1 / CALLS_A_SECOND)

        coming = asyncio.ensure_future(come())
        try:
            yield load
        finally:
            coming.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


@dataclass
class Part:
    """One program that is started again with the same command."""

    command: list[str]
    log: Path
    stack: ExitStack
    program: Program | None = None
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        log = self.log.with_suffix(f".{self.starts}")
        self.program = self.stack.enter_context(running(self.command, log))

    def stop(self) -> None:
        assert self.program is not None
        assert self.program.stop() == 0, self.program.output


def status(port: int) -> fleet_pb2.GetStatusResponse:
    """What a balancer says; nothing while it doesn't answer."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = fleet_pb2_grpc.FleetStub(channel)
        try:
            return stub.GetStatus(fleet_pb2.GetStatusRequest(), timeout=2)
        except grpc.RpcError:
            return fleet_pb2.GetStatusResponse()


def hot(port: int) -> int:
    """How many instances a balancer knows as hot."""
    return sum(each.phase == fleet_pb2.PHASE_HOT for each in status(port).instances)


def has_callers(port: int) -> bool:
    """Whether calls have come to a balancer since its start: its callers are connected again."""
    return any(each.counts.full for each in status(port).lanes)


async def test_a_rolling_restart_of_everything_fails_no_label(
    own_consul: ConsulAgent, tmp_path: Path
):
    fast = tmp_path / "fast.toml"
    fast.write_text(FAST)
    ports = free_ports(4)
    balancer_ports = ports[2:]
    common = ["--consul", own_consul.url]
    own_consul.start()
    with ExitStack() as stack:
        servers = [
            Part(
                ["tidegate-server", "--model", f"simulated:{fast}", "--port", str(port), *common],
                tmp_path / f"server-{port}",
                stack,
            )
            for port in ports[:2]
        ]
        balancers = [
            Part(
                ["tidegate-balancer", "--port", str(port), "--slow-start-s", "0", *common],
                tmp_path / f"balancer-{port}",
                stack,
            )
            for port in balancer_ports
        ]

        async def all_hot() -> None:
            def are() -> bool:
                return all(hot(port) == 2 for port in balancer_ports)

            await asyncio.to_thread(wait_until, are, "both instances hot at both balancers", 40)

        for part in [*servers, *balancers]:
            part.start()
        await all_hot()
        async with labels(balancer_ports) as load:
            for part in [*servers, *balancers]:
                await asyncio.to_thread(part.stop)
                part.start()
                await all_hot()
                if part in balancers:
                    port = balancer_ports[balancers.index(part)]
                    came = f"callers coming back to {port}"
                    await asyncio.to_thread(wait_until, lambda at=port: has_callers(at), came)
            # It comes back without its memory, and is told again.
            await asyncio.to_thread(own_consul.stop)
            await asyncio.to_thread(own_consul.start)
            await all_hot()

    assert load.failures == []
    assert load.answered > 3 * CALLS_A_SECOND

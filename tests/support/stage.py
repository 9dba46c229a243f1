"""A whole service with a web page, as real processes: simulated servers, a balancer, the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from support.programs import Program, free_port, running

from tidegate.v1.fleet_pb2 import GetStatusRequest, GetStatusResponse
from tidegate.v1.fleet_pb2_grpc import FleetStub


@dataclass(frozen=True)
class Stage:
    """The running programs and where they are."""

    servers: dict[str, Program]
    balancer: str
    url: str

    def status(self) -> GetStatusResponse:
        with grpc.insecure_channel(self.balancer) as channel:
            answer: GetStatusResponse = FleetStub(channel).GetStatus(
                GetStatusRequest(), wait_for_ready=True, timeout=30
            )
            return answer

    def chats_in_flight(self) -> int:
        return sum(
            lane.in_flight
            for each in self.status().instances
            for lane in each.lanes
            if lane.lane == "chat"
        )

    def chat_counts(self) -> dict[str, int]:
        """How the chats of this balancer have ended."""
        (counts,) = (each.counts for each in self.status().lanes if each.lane == "chat")
        return {field.name: value for field, value in counts.ListFields()}


@contextmanager
def running_stage(
    folder: Path,
    *,
    servers: int = 1,
    step_s: float = 0.05,
    server: tuple[str, ...] = (),
    balancer: tuple[str, ...] = (),
) -> Iterator[Stage]:
    """Run it for the length of a block; every step of a server takes step_s, a reply forty."""
    latency = folder / "latency.toml"
    latency.write_text(f"step_s = {step_s}\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 40\n")
    ports = [free_port() for _ in range(servers)]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    balancer_port, web_port = free_port(), free_port()
    serve = ["tidegate-server", "--model", f"simulated:{latency}", "--consul", "off", *server]
    balance = ["tidegate-balancer", "--instances", ",".join(addresses), "--slow-start-s", "0"]
    show = ["tidegate", "web", "--address", f"127.0.0.1:{balancer_port}", "--port", str(web_port)]
    with ExitStack() as programs:
        started = {
            f"tidegate-127.0.0.1-{port}": programs.enter_context(
                running([*serve, "--port", str(port)], folder / f"server-{port}")
            )
            for port in ports
        }
        programs.enter_context(
            running([*balance, "--port", str(balancer_port), *balancer], folder / "balancer")
        )
        page = programs.enter_context(running(show, folder / "web"))
        for program in started.values():
            program.wait_for(" hot ", 60)
        page.wait_for("shows the balancer", 30)
        yield Stage(started, f"127.0.0.1:{balancer_port}", f"http://127.0.0.1:{web_port}/")

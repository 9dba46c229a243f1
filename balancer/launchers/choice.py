"""Chooses the launcher that the settings name. The one place where a further launcher is added.

Knows how each is made, and nothing about what they do.
"""

import shlex
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import assert_never

from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.launcher import Launcher
from tidegate.balancer.launchers.process import ProcessLauncher


@dataclass(frozen=True, slots=True)
class Choice:
    """A launcher, and the name under which what it started registers (`launched-by`)."""

    name: str
    launcher: Launcher


def launcher_of(settings: BalancerSettings) -> Choice | None:
    """The launcher; None when nothing is started and stopped."""
    match settings.launcher:
        case "off":
            return None
        case "process":
            # What runs on another machine is another launcher's: this one can't stop it.
            name = f"process@{socket.gethostname()}"
            commands = {role: _server(settings, role, name) for role in Role}
            state = settings.process.state or (
                Path.home() / ".local" / "state" / "tidegate" / settings.service_name
            )
            return Choice(name, ProcessLauncher(commands, state, outlive=settings.process.outlive))
        # Each is imported only where it is wanted: its library is an extra.
        case "docker":
            from tidegate.balancer.launchers.docker import DockerLauncher

            return Choice("docker", DockerLauncher(settings.docker, **_names(settings)))
        case "swarm":
            from tidegate.balancer.launchers.swarm import SwarmLauncher

            return Choice("swarm", SwarmLauncher(settings.swarm, **_names(settings)))
        case "kubernetes":
            from tidegate.balancer.launchers.kubernetes import KubernetesLauncher

            return Choice("kubernetes", KubernetesLauncher(settings.kubernetes))
        case _:
            assert_never(settings.launcher)


def _names(settings: BalancerSettings) -> dict[str, str]:
    """What an instance on an engine is to know of its fleet."""
    return {"fleet": settings.service_name, "consul": settings.consul}


def _server(settings: BalancerSettings, role: Role, name: str) -> tuple[str, ...]:
    """The command of an instance that this machine is to run."""
    flags = shlex.split(settings.process.server)
    given = {flag.partition("=")[0] for flag in flags}
    for flag, value in (
        ("--consul", settings.consul),
        ("--consul-ca", settings.consul_ca),
        ("--consul-token-file", settings.consul_token_file),
        ("--service-name", settings.service_name),
    ):
        if flag not in given and value is not None:
            flags += [flag, str(value)]
    decided = ("--port", "0", "--role", role.value, "--launched-by", name)
    return (sys.executable, "-m", "tidegate.server", *flags, *decided)

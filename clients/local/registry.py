"""Decides where instances are found: a Consul that is there, one of our own, or a plain list.

Knows nothing about servers and balancers.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

from tidegate.clients.local.child import Command, Output
from tidegate.clients.local.ports import HOST
from tidegate.clients.words import told

DEFAULT_PORT = 8500
DEFAULT_URL = f"http://{HOST}:{DEFAULT_PORT}"
_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is found on this machine before anything is started.

    spare_ports: three free ports, for an agent of our own.
    """

    consul_answers: bool
    consul_binary: str | None
    default_port_is_free: bool
    spare_ports: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Registry:
    """url is None for a plain list. agent is what has to be started first, if anything.

    said tells a person which it is.
    """

    url: str | None
    agent: Command | None
    said: str


def chosen(wish: str, found: Surroundings) -> Registry:
    """The registry for a wish: "auto", "off" or the URL of a Consul.

    "auto" takes a Consul that answers at its usual address, else starts a dev agent (data in
    memory only) if there is a binary, else does without.
    """
    if wish == "off":
        return Registry(None, None, told("a static list (--consul off)"))
    if wish != "auto":
        return Registry(wish, None, told("Consul at {url}", url=wish))
    if found.consul_answers:
        return Registry(
            DEFAULT_URL, None, told("the Consul that already answers at {url}", url=DEFAULT_URL)
        )
    if found.consul_binary is None:
        return Registry(None, None, told("a static list (no consul program was found)"))
    server_port, serf_port, http_port = found.spare_ports
    if found.default_port_is_free:
        http_port = DEFAULT_PORT
    url = f"http://{HOST}:{http_port}"
    agent = _agent(found.consul_binary, http_port, server_port, serf_port)
    return Registry(url, agent, told("a Consul dev agent at {url}, in memory only", url=url))


def answers(url: str) -> bool:
    """Whether a Consul with a leader answers at this URL. Goes through no proxy."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/v1/status/leader")
            response = connection.getresponse()
            # A leader is an address in quotes; there is none for a moment after the start.
            return response.status == http.client.OK and len(response.read(100).strip()) > 2
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _agent(binary: str, http_port: int, server_port: int, serf_port: int) -> Command:
    """A dev agent that listens on this machine only, on no port that another one may have."""
    return Command(
        "the Consul agent",
        (
            binary,
            "agent",
            "-dev",
            f"-bind={HOST}",
            f"-client={HOST}",
            f"-http-port={http_port}",
            f"-server-port={server_port}",
            f"-serf-lan-port={serf_port}",
            "-serf-wan-port=-1",
            "-dns-port=-1",
            "-grpc-port=-1",
            "-log-level=warn",
        ),
        Output.KEPT,
    )

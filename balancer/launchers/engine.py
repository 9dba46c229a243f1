"""Speaks to a Docker Engine, and puts what goes wrong there into one line.

Knows nothing about what is asked of it.
"""

import re

import requests

from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import DockerSettings, SwarmSettings

try:
    from docker import DockerClient as Client
    from docker import from_env
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound
    from docker.models.containers import Container
    from docker.models.services import Service
    from docker.types import Healthcheck, Mount, Resources, RestartPolicy, ServiceMode
except ModuleNotFoundError:
    raise LaunchError(
        "docker: the package is missing that speaks to an Engine: pip install 'tidegate[docker]'"
    ) from None

__all__ = [
    "ENGINE_ERRORS",
    "TIMEOUT_S",
    "APIError",
    "Client",
    "Container",
    "Healthcheck",
    "Mount",
    "Resources",
    "RestartPolicy",
    "Service",
    "ServiceMode",
    "connect",
    "explain",
]

ENGINE_ERRORS = (DockerException, requests.RequestException)
TIMEOUT_S = 20


def connect(engine: str) -> Client:
    """Return a client of the Engine at `engine`; empty: where the docker command finds one."""
    if engine:
        return Client(base_url=engine, timeout=TIMEOUT_S)
    return from_env(timeout=TIMEOUT_S)


def explain(error: Exception, settings: DockerSettings | SwarmSettings) -> str:
    """One line that says what is wrong and what to do."""
    said = getattr(error, "explanation", None) or str(error)
    words = " ".join(str(said).split())
    if isinstance(error, ImageNotFound):
        return f"image: the Engine has no {settings.image!r}; build it with deploy/Dockerfile or pull it"
    if "bind source path does not exist" in words:
        return f"weights: the Engine's machine has no folder {settings.weights!r}; make it there"
    if isinstance(error, NotFound) and "network" in words:
        return f"network: the Engine has no {settings.network!r}; `docker network create` makes one"
    if "not a swarm manager" in words:
        return "the Engine manages no swarm; `docker swarm init`, or name a manager as swarm.engine"
    if isinstance(error, APIError):
        return words
    where = settings.engine or "the usual place (DOCKER_HOST, or /var/run/docker.sock)"
    return f"no Engine answers at {where} ({_innermost(words)}); start it, or set engine"


def _innermost(words: str) -> str:
    """The cause at the heart of a chain of errors that urllib3 and requests wrap."""
    found = re.findall(r"(?:Error|timeout)\(.*?'([^'()]+)'", words)
    return str(found[-1]) if found else words

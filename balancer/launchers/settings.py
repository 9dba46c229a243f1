"""The settings of the launchers for engines: the tables `docker`, `swarm` and `kubernetes` of the TOML file.

Says what is accepted; knows nothing about the engines' libraries, which may not be installed.
"""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tidegate.balancer.launchers.birth import check_flags


def _is_absolute(value: str) -> str:
    if value and not PurePosixPath(value).is_absolute():
        raise ValueError("is not a whole path from / on; the engine's machine is meant, not this")
    return value


def _is_a_cpu_set(value: str) -> str:
    for part in value.split(","):
        first, _, last = part.partition("-")
        if (
            not first.isdecimal()
            or not (last or first).isdecimal()
            or int(last or first) < int(first)
        ):
            raise ValueError("is not a list of CPUs like 0-3,6")
    return value


Folder = Annotated[str, AfterValidator(_is_absolute)]
CpuSet = Annotated[str, AfterValidator(_is_a_cpu_set)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Containers(_Table):
    """What Docker's two launchers have in common."""

    image: str = Field(
        "tidegate-server",
        min_length=1,
        description="Image of the server, made by deploy/Dockerfile.",
    )
    engine: str = Field(
        "",
        description="Where the Docker Engine listens, like unix:///var/run/docker.sock or "
        "tcp://HOST:2376; empty: as the docker command finds it (DOCKER_HOST).",
    )
    weights: Folder = Field(
        "",
        description="Folder with weights on the Engine's machines, mounted read-only as /weights; "
        "empty: none.",
    )
    memory_megabytes: int = Field(
        0, ge=0, le=10_000_000, description="Memory that an instance may take; 0 sets no limit."
    )
    consul: str = Field(
        "",
        description="Address of Consul as an instance sees it; empty: the balancer's own setting.",
    )
    server: Annotated[str, AfterValidator(check_flags)] = Field(
        "",
        description='Flags of tidegate-server for what is started, like "--model /weights/qwen". Role and '
        "name of the fleet are added, and where Consul is.",
    )


class DockerSettings(_Containers):
    """The table `docker`: containers on one machine."""

    network: str = Field(
        "bridge", min_length=1, description="Docker network of the instances, or host."
    )
    cpus: tuple[CpuSet, ...] = Field(
        (),
        description='CPU sets, like ["0-3", "4-7"]: an instance gets the one that the fewest have; '
        "empty: all CPUs for all.",
    )


class SwarmSettings(_Containers):
    """The table `swarm`: services over the machines of a Docker Swarm."""

    network: str = Field(
        "", description="Overlay network of the instances, or host; empty: Docker's default."
    )
    advertise_host: str = Field(
        "",
        description="Host under which an instance is reached, with Swarm's own placeholders: "
        "{{.Node.Hostname}} on the network host; empty: the server finds out.",
    )
    cpus: float = Field(
        0, ge=0, le=1024, description="CPUs that an instance may take; 0 sets no limit."
    )


class KubernetesSettings(_Table):
    """The table `kubernetes`: one Deployment for each role, which exists already."""

    namespace: str = Field(
        "", description="Namespace of the Deployments; empty: that of the configuration."
    )
    deployment: str = Field(
        "tidegate-{role}",
        pattern=r"^[a-z0-9-]*\{role\}[a-z0-9-]*$",
        description="Name of a role's Deployment, with {role} for both, sentiment or chat.",
    )
    kubeconfig: str = Field(
        "",
        description="A kubeconfig file; empty: the service account of the pod, or without one "
        "KUBECONFIG and ~/.kube/config.",
    )
    context: str = Field("", description="Context of that file; empty: its current one.")

"""Keeps instances as the tasks of Docker Swarm services, one service for each role, over many machines.

Swarm starts what is missing by itself and chooses the machines. Knows nothing about why a number is
wanted, nor whether an instance is hot.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.birth import WEIGHTS, Birth
from tidegate.balancer.launchers.docker import FLEET, NO_CHECK, ROLE
from tidegate.balancer.launchers.engine import (
    ENGINE_ERRORS,
    TIMEOUT_S,
    Client,
    Healthcheck,
    Mount,
    Resources,
    RestartPolicy,
    Service,
    ServiceMode,
    connect,
    explain,
)
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import SwarmSettings

# Above the server's own drain and its farewell: a launcher promises 40 s before a kill.
STOP_S = 45
_NANO = 1_000_000_000

_Answer = TypeVar("_Answer")
_log = structlog.get_logger("tidegate.balancer.launchers")


class SwarmLauncher:
    """Scales services of one image; a `Launcher`.

    `fleet` is the name under which instances register in Consul, `consul` is where, unless the
    settings say otherwise, and `launched_by` what they say of who started them.
    """

    def __init__(
        self, settings: SwarmSettings, *, fleet: str, consul: str, launched_by: str = "swarm"
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._birth = Birth(fleet, settings.consul or consul, launched_by, settings.server)
        self._client: Client | None = None
        self._turn = asyncio.Lock()
        self._told: dict[Role, set[str]] = {role: set() for role in Role}

    async def open(self) -> None:
        """Take over the services of this fleet."""
        # What failed before our time is nothing that we could mend.
        kept = {role.value: (await self._ask(partial(self._look, role)))[0] for role in Role}
        _log.info("services taken over", fleet=self._fleet, **kept)

    async def count(self, role: Role) -> int:
        """Return how many tasks the service of `role` is to have; 0 without a service.

        Raises LaunchError, once, when there are tasks that Swarm could not run.
        """
        count, failure = await self._ask(lambda: self._look(role))
        if failure:
            raise LaunchError(f"swarm: {failure}")
        return count

    async def keep(self, role: Role, count: int) -> None:
        """Scale the service of `role`, which is made when it isn't there."""
        await self._ask(lambda: self._keep(role, count))

    async def close(self) -> None:
        """Let go of the Engine; services stay as they are."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Run what blocks on a thread, one at a time, and say what goes wrong in our words."""
        async with self._turn:
            try:
                return await asyncio.to_thread(question)
            except ENGINE_ERRORS as error:
                raise LaunchError(f"swarm: {explain(error, self._settings)}") from error

    def _engine(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings.engine)
        return self._client

    def _find(self, role: Role) -> Service | None:
        labels = [f"{FLEET}={self._fleet}", f"{ROLE}={role.value}"]
        return next(iter(self._engine().services.list(filters={"label": labels})), None)

    def _look(self, role: Role) -> tuple[int, str]:
        """How many it is to have, and what Swarm says of the newest task that it couldn't run."""
        service = self._find(role)
        if service is None:
            return 0, ""
        failed = {
            str(task["ID"]): task
            for task in service.tasks()
            if task["Status"]["State"] in ("failed", "rejected")
        }
        news = failed.keys() - self._told[role]
        self._told[role] = set(failed)
        if not news:
            return _replicas(service), ""
        newest = max((failed[each] for each in news), key=lambda task: str(task["CreatedAt"]))
        why = newest["Status"].get("Err", "no reason given")
        return _replicas(service), f"a task of {service.name} did not run: {why}"

    def _keep(self, role: Role, count: int) -> None:
        service = self._find(role)
        if service is None:
            if count:
                self._create(role, count)
            return
        was = _replicas(service)
        if was != count:
            self._scale(service, count)
            _log.info("service scaled", name=service.name, before=was, after=count)

    def _scale(self, service: Service, count: int) -> None:
        """Send the service's own description back with another number, and nothing else changed.

        The library's `scale` moves the networks to another place in it, for which Swarm starts
        every task anew.
        """
        api, spec = self._engine().api, service.attrs["Spec"]
        changed = {**spec, "Mode": {"Replicated": {"Replicas": count}}}
        answer = api.post(
            f"{api.base_url}/v{api.api_version}/services/{service.id}/update",
            params={"version": str(service.version)},
            json=changed,
            timeout=TIMEOUT_S,
        )
        if not answer.ok:
            # Who wrote it at the same moment was first; the next look finds what it is now.
            raise LaunchError(f"swarm: {service.name}: {answer.json()['message']}")

    def _create(self, role: Role, count: int) -> None:
        settings, name = self._settings, f"{self._fleet}-{role.value}"
        weights = Mount(WEIGHTS, settings.weights, type="bind", read_only=True)
        labels = {FLEET: self._fleet, ROLE: role.value}
        variables = self._birth.variables(role)
        if settings.advertise_host:
            variables["TIDEGATE_SERVER_ADVERTISE_HOST"] = settings.advertise_host
        self._engine().services.create(
            settings.image,
            args=self._birth.arguments,
            name=name,
            labels=labels,
            container_labels=labels,
            env=[f"{key}={value}" for key, value in variables.items()],
            networks=[settings.network] if settings.network else [],
            mounts=[weights] if settings.weights else [],
            healthcheck=Healthcheck(test=NO_CHECK),
            mode=ServiceMode("replicated", replicas=count),
            resources=Resources(
                cpu_limit=int(settings.cpus * _NANO) or None,
                mem_limit=settings.memory_megabytes * 1_000_000 or None,
            ),
            restart_policy=RestartPolicy(condition="any", delay=5 * _NANO),
            stop_grace_period=STOP_S * _NANO,
        )
        _log.info("service made", name=name, replicas=count)


def _replicas(service: Service) -> int:
    return int(service.attrs["Spec"]["Mode"]["Replicated"].get("Replicas", 0))

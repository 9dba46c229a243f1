"""Keeps instances as containers of one Docker Engine.

The labels on the containers are the only memory: whoever opens a launcher for the same fleet sees what
another one left. Knows nothing about why a number is wanted, nor whether an instance is hot.
"""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

import structlog

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.birth import WEIGHTS, Birth
from tidegate.balancer.launchers.engine import (
    ENGINE_ERRORS,
    APIError,
    Client,
    Container,
    Mount,
    connect,
    explain,
)
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import DockerSettings

FLEET, ROLE = "tidegate.fleet", "tidegate.role"
STOP_S = 40
NO_CHECK = ["NONE"]
"""The health check of what is launched: Consul asks every second, and a server that hangs ends by itself.
An engine's own check would know neither the port, nor that an instance warms up or drains."""
# Part of the name of a container that was told to stop: the Engine shows it, and it outlives us.
_LEAVING = "-leaving"
_LAST_LINES = 5
_NOT_FOUND, _CONFLICT = 404, 409

_Answer = TypeVar("_Answer")
_log = structlog.get_logger("tidegate.balancer.launchers")


class DockerLauncher:
    """Starts and stops containers of one image; a `Launcher`.

    `fleet` is the name under which instances register in Consul, `consul` is where, unless the
    settings say otherwise, and `launched_by` what they say of who started them.
    """

    def __init__(
        self, settings: DockerSettings, *, fleet: str, consul: str, launched_by: str = "docker"
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._birth = Birth(fleet, settings.consul or consul, launched_by, settings.server)
        self._client: Client | None = None
        self._turn = asyncio.Lock()
        self._ending: set[str] = set()
        self._ended: dict[Role, list[str]] = {role: [] for role in Role}

    async def open(self) -> None:
        """Take over the containers of this fleet, and finish the stops that were begun."""
        await self._ask(self._take_over)

    async def count(self, role: Role) -> int:
        """Return how many containers of `role` run, those that leave apart.

        Raises LaunchError, once, for each that ended without being told to.
        """
        staying = await self._ask(lambda: self._staying(role))
        if self._ended[role]:
            raise LaunchError(f"docker: {self._ended[role].pop(0)}")
        return len(staying)

    async def keep(self, role: Role, count: int) -> None:
        """Start containers, or stop the newest, until there are `count`."""
        await self._ask(lambda: self._keep(role, count))

    async def close(self) -> None:
        """Let go of the Engine; containers go on running."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Run what blocks on a thread, one at a time, and say what goes wrong in our words."""
        async with self._turn:
            try:
                return await asyncio.to_thread(question)
            except ENGINE_ERRORS as error:
                raise LaunchError(f"docker: {explain(error, self._settings)}") from error

    def _engine(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings.engine)
        return self._client

    def _take_over(self) -> None:
        for container in self._find():
            if container.status == "created":
                # Whoever made it ended before it could start it.
                _remove(container)
        kept = {role.value: len(self._staying(role)) for role in Role}
        # What ended before our time is nothing to act upon; the log has it.
        for role in Role:
            self._ended[role].clear()
        _log.info("containers taken over", fleet=self._fleet, **kept)

    def _keep(self, role: Role, count: int) -> None:
        staying = self._staying(role)
        for _ in range(count - len(staying)):
            self._start(role)
        for container in staying[count:]:
            self._stop(container)

    def _staying(self, role: Role) -> list[Container]:
        """The containers of `role` that count, oldest first.

        Those that have ended are removed; who leaves, and nobody stops any more, is told again.
        """
        staying = []
        for container in self._find(role):
            match container.status:
                case "exited" | "dead" if _leaves(container):
                    _remove(container)
                case "exited" | "dead":
                    self._ended[role].append(self._bury(container))
                case "removing":
                    pass
                case _ if _leaves(container):
                    self._end(container)
                case _:
                    staying.append(container)
        return sorted(staying, key=lambda container: int(container.attrs["Created"]))

    def _find(self, role: Role | None = None) -> Sequence[Container]:
        labels = [f"{FLEET}={self._fleet}"] + ([f"{ROLE}={role.value}"] if role else [])
        return self._engine().containers.list(all=True, sparse=True, filters={"label": labels})

    def _start(self, role: Role) -> None:
        settings = self._settings
        weights = Mount(WEIGHTS, settings.weights, type="bind", read_only=True)
        container = self._engine().containers.create(
            settings.image,
            self._birth.arguments,
            name=f"{self._fleet}-{role.value}-{secrets.token_hex(4)}",
            labels={FLEET: self._fleet, ROLE: role.value},
            environment=self._birth.variables(role),
            network=settings.network,
            mounts=[weights] if settings.weights else [],
            mem_limit=settings.memory_megabytes * 1_000_000 or None,
            cpuset_cpus=self._free_cpus(),
            healthcheck={"test": NO_CHECK},
        )
        try:
            container.start()
        except ENGINE_ERRORS:
            _remove(container)
            raise
        _log.info("container started", name=container.name, role=role.value)

    def _free_cpus(self) -> str | None:
        """The CPU set that the fewest containers have; None when they may have all."""
        taken: Counter[str] = Counter()
        if self._settings.cpus:
            running = [each for each in self._find() if each.status == "running"]
            inspected = [self._engine().containers.get(_name(each)).attrs for each in running]
            taken.update(str(each["HostConfig"]["CpusetCpus"]) for each in inspected)
        return min(self._settings.cpus, key=lambda cpus: taken[cpus], default=None)

    def _stop(self, container: Container) -> None:
        container.rename(_name(container) + _LEAVING)
        _log.info("container told to stop", name=_name(container), at_most_s=STOP_S)
        self._end(container)

    def _end(self, container: Container) -> None:
        """Stop in the background. The Engine sees to it alone once it has been told."""
        key = str(container.id)
        if key in self._ending:
            return
        self._ending.add(key)

        def stop() -> None:
            try:
                # A connection of its own, which may outlast the launcher's.
                with closing(connect(self._settings.engine)) as engine:
                    leaving = engine.containers.get(key)
                    leaving.stop(timeout=STOP_S)
                    _remove(leaving)
            except ENGINE_ERRORS as error:
                # The next look finds it by its name.
                _log.warning("stop not seen to its end", name=_name(container), error=str(error))
            finally:
                self._ending.discard(key)

        # Not a pool's: those are waited for when the process ends.
        threading.Thread(target=stop, name="docker-stop", daemon=True).start()

    def _bury(self, container: Container) -> str:
        """Remove one that has ended by itself, and say why it has."""
        state = self._engine().containers.get(_name(container)).attrs["State"]
        lines = container.logs(tail=_LAST_LINES).decode(errors="replace").splitlines()
        why = "out of memory" if state["OOMKilled"] else f"exit code {state['ExitCode']}"
        _log.warning("container ended by itself", name=_name(container), why=why, last_lines=lines)
        _remove(container)
        last = f": {lines[-1].strip()}" if lines else ""
        return f"{_name(container)} ended by itself ({why}){last}"


def _remove(container: Container) -> None:
    try:
        # With the volume that the image makes where no folder of weights is mounted.
        container.remove(force=True, v=True)
    except APIError as error:
        # Gone, or going: the thread that stopped it was quicker.
        if error.status_code not in (_NOT_FOUND, _CONFLICT):
            raise


def _name(container: Container) -> str:
    return str(container.attrs["Names"][0]).lstrip("/")


def _leaves(container: Container) -> bool:
    return _name(container).endswith(_LEAVING)

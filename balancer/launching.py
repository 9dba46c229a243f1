"""Keeps a launcher at what it was told, off the path of calls, and remembers what went wrong.

Only while `may_act` says so, asked anew before each act. Knows nothing about why a number is wanted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

import structlog

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.launcher import Launcher, LaunchError

LOOK_S = 1.0
ACT_S = 90.0
"""A launcher that takes longer than this hangs. Pulling an image is not among the things that it waits for."""

_log = structlog.get_logger("tidegate.balancer.launching")


class Launching:
    """One launcher on the running loop, for so many roles."""

    def __init__(
        self, launcher: Launcher, roles: Collection[Role], may_act: Callable[[], bool]
    ) -> None:
        self._launcher = launcher
        self._roles = tuple(roles)
        self._may_act = may_act
        self._is_open = False
        self._told: dict[Role, int] = {}
        self._kept: dict[Role, int] = {}
        self._problem = dict.fromkeys(roles, "")
        self._news: dict[Role, list[str]] = {role: [] for role in roles}
        self._failed: set[Role] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        kept = ", ".join(f"{count} {role.value}" for role, count in self._kept.items())
        return f"<Launching {self._launcher!r} | {kept or 'nothing'}>"

    def start(self) -> None:
        """Begin to look after it."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Act no more, and let go of what runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._is_open:
            try:
                await self._launcher.close()
            except LaunchError as error:
                _log.warning("launcher can't be closed", problem=str(error))

    def kept(self, role: Role) -> int | None:
        """How many of `role` it keeps, or was told to; None while that isn't known, and for who may not act."""
        return self._told.get(role, self._kept.get(role))

    def tell(self, role: Role, count: int) -> None:
        """Have it keep `count` of `role`."""
        self._told[role] = count
        self._wake.set()

    def take_problems(self, role: Role) -> list[str]:
        """What has gone wrong with `role` since this was asked last; what goes on being wrong is told once."""
        news, self._news[role] = self._news[role], []
        return news

    def take_failure(self, role: Role) -> bool:
        """Whether anything went wrong with `role` since this was asked last."""
        has_failed = role in self._failed
        self._failed.discard(role)
        return has_failed

    async def _run(self) -> None:
        while True:
            if self._may_act():
                await self._act()
            else:
                self._told.clear()
                self._kept.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()

    async def _act(self) -> None:
        for role in self._roles:
            problem = await self._attempt(role)
            if problem:
                self._failed.add(role)
                if problem != self._problem[role]:
                    self._news[role].append(problem)
            self._problem[role] = problem

    async def _attempt(self, role: Role) -> str:
        """Do what is to be done about a role; what went wrong, in words, or nothing."""
        try:
            await asyncio.wait_for(self._act_on(role), ACT_S)
        except LaunchError as error:
            return str(error)
        except asyncio.TimeoutError:
            return f"the launcher did not answer in {ACT_S:g} s"
        except Exception as error:
            # A launcher with a mistake in it must not end hot and cold for good.
            _log.exception("launcher failed", role=role.value)
            return f"{type(error).__name__}: {error}"
        return ""

    async def _act_on(self, role: Role) -> None:
        if not self._is_open:
            await self._launcher.open()
            self._is_open = True
        told = self._told.get(role)
        if told is not None and self._may_act():
            try:
                await self._launcher.keep(role, told)
            finally:
                # Told anew meanwhile: that is for the next turn.
                if self._told.get(role) == told:
                    del self._told[role]
        self._kept[role] = await self._launcher.count(role)

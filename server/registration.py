"""Keeps this instance registered in Consul under its present phase, whatever Consul does.

An agent that is away at start or goes away later is tried again until it answers; one that
forgot the instance is told again. Knows nothing of what the phases mean.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

from tidegate.server.consul_agent import CONSUL_ERRORS, Check, ConsulAgent
from tidegate.server.lane import Lane, Phase, Role

# How often Consul is asked whether it still knows this instance.
_LOOK_EVERY_S = 3.0
_SIGN_OF_LIFE_EVERY_S = 1.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Instance:
    """What is registered of an instance, its phase apart."""

    service_name: str
    host: str
    port: int
    role: Role
    slots: Mapping[Lane, int]
    model: str
    version: str
    launched_by: str = ""
    check: Check = Check.GRPC

    @property
    def id(self) -> str:
        """The id of the instance, the same after a restart at the same place."""
        return f"tidegate-{self.host}-{self.port}"

    def tags(self, phase: Phase) -> list[str]:
        """Return the facts as tags; python-consul can't register any other kind of facts."""
        slots = [f"{lane.value}-slots={self.slots.get(lane, 0)}" for lane in Lane]
        return [
            f"role={self.role.value}",
            f"phase={phase.value}",
            *slots,
            f"model={self.model}",
            f"version={self.version}",
            *([f"launched-by={self.launched_by}"] if self.launched_by else []),
        ]


class Registration:
    """The registration of one instance; `start` and `leave` frame its life."""

    def __init__(self, instance: Instance, agent: ConsulAgent) -> None:
        self._instance = instance
        self._agent = agent
        # One thread, so that what is sent to Consul keeps its order.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="consul")
        self._phase = Phase.WARMING
        self._wake = asyncio.Event()
        self._is_told = asyncio.Event()
        self._is_away = False
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to register, as warming, in the background."""
        self._keeper = asyncio.create_task(self._keep())

    def announce(self, phase: Phase) -> None:
        """Register the phase, in the background, as soon as Consul takes it."""
        self._phase = phase
        self._is_told.clear()
        self._wake.set()

    async def wait_told(self, timeout_s: float) -> bool:
        """Wait until Consul knows the phase; return False when it takes longer."""
        try:
            await asyncio.wait_for(self._is_told.wait(), timeout_s)
        except (TimeoutError, asyncio.TimeoutError):
            return False
        return True

    async def leave(self) -> None:
        """Take the instance out of Consul, in one try; Consul forgets it anyway in a minute.

        Does nothing when it has left already, or was never started.
        """
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._agent.deregister, self._instance.id)
            log.info("left consul", instance=self._instance.id)
        except CONSUL_ERRORS as error:
            log.warning("consul could not be told of the leaving", error=str(error))
        finally:
            self._thread.shutdown(wait=False)
            self._agent.close()

    async def _keep(self) -> None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(CONSUL_ERRORS),
            wait=wait_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S) + wait_random(0, _FIRST_WAIT_S),
            sleep=self._sleep,
            before_sleep=self._log_away,
        )
        while True:
            await retrying(self._tell)
            is_asked = self._instance.check is Check.GRPC
            await self._sleep(_LOOK_EVERY_S if is_asked else _SIGN_OF_LIFE_EVERY_S)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until the next announcement."""
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _tell(self) -> None:
        phase = self._phase
        loop = asyncio.get_running_loop()
        is_news = await loop.run_in_executor(self._thread, self._register_if_needed, phase)
        if self._is_away:
            self._is_away = False
            log.info("consul is back")
        if is_news:
            log.info("registered in consul", instance=self._instance.id, phase=phase.value)
        if phase is self._phase:
            self._is_told.set()

    def _register_if_needed(self, phase: Phase) -> bool:
        instance = self._instance
        tags = instance.tags(phase)
        is_news = self._agent.find_tags(instance.id) != set(tags)
        if is_news:
            self._agent.register(
                *(instance.service_name, instance.id, instance.host, instance.port),
                tags,
                instance.check,
            )
        if instance.check is Check.SIGN_OF_LIFE:
            self._agent.give_sign_of_life(instance.id)
        return is_news

    def _log_away(self, state: RetryCallState) -> None:
        if not self._is_away:
            self._is_away = True
            error = state.outcome.exception() if state.outcome else None
            log.warning("consul is away, trying again until it answers", error=str(error))

"""Runs one instance from its first breath to its last: warming, hot, draining.

The order of things is the whole content: what is told to whom, and when. Knows nothing of
prompts, tokens or messages.
"""

import asyncio
import concurrent.futures
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from tidegate.operating.admin import Admin
from tidegate.operating.reload import compare
from tidegate.operating.terminal import Terminal
from tidegate.server.admission import Admission
from tidegate.server.answering import Answering, check_folder
from tidegate.server.config import AT_ONCE, ServerSettings, SettingsError
from tidegate.server.consul_agent import Check
from tidegate.server.edge import Edge
from tidegate.server.engine.call import Times
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.sequence import Ending, Usage
from tidegate.server.front import Front
from tidegate.server.garbage import spare_calls
from tidegate.server.guarding import consul_of, guard_of
from tidegate.server.instance import InstanceService
from tidegate.server.lane import Lane, Phase, Role
from tidegate.server.listener import Listener
from tidegate.server.model_loading import load_model
from tidegate.server.progress import Progress
from tidegate.server.registration import Instance, Registration
from tidegate.server.start_error import StartError
from tidegate.server.telemetry.exporter import Exporter
from tidegate.server.telemetry.load import LoadCollector
from tidegate.server.telemetry.meter import Meter
from tidegate.server.watchdog import Watchdog

if TYPE_CHECKING:
    from tidegate.server.telemetry.traces import Traces

# How often profiles and the engine's health are looked at without a call.
_LOOK_EVERY_S = 1.0
# Balancers hear of the leaving within this time; until then a call is refused with a hint
# rather than by a closed port.
_FAREWELL_S = 0.5
# Calls that wait for an instance to become hot have so long before it works for later ones.
_HEAD_START_S = 1.0
# What a hanging engine's server has to say must be said within this time.
_LAST_WORDS_S = 3.0
_WILDCARDS = ("0.0.0.0", "::", "[::]")  # noqa: S104 - only compared

_Done = TypeVar("_Done")
Load: TypeAlias = Callable[[ServerSettings, Progress], Coroutine[Any, Any, Engine]]

log = structlog.get_logger()


class EngineDiedError(Exception):
    """The engine answers no more: the process should end and be started again."""


class Life:
    """One run of the server, with the model that `load` brings.

    `read_again` reads the settings once more, on SIGHUP; it raises SettingsError.
    """

    def __init__(
        self,
        settings: ServerSettings,
        load: Load = load_model,
        read_again: Callable[[], ServerSettings] | None = None,
    ) -> None:
        self._settings = settings
        self._read_again = read_again
        self._terminal = Terminal()
        self._load = load
        self._role = Role(settings.role)
        slots = {
            Lane.SENTIMENT: settings.sentiment_slots,
            Lane.CHAT: settings.chat_slots,
            Lane.DEGRADED: settings.degraded_slots,
        }
        self._slots = {lane: slots[lane] for lane in self._role.lanes}
        self._admission = Admission(self._slots)
        registry = CollectorRegistry()
        self._traces = _traces_of(settings)
        traced = () if self._traces is None else (self._traces.trace_id,)
        meter = Meter(registry, *traced)
        self._edge = Edge(self._admission, meter)
        self._front = Front(self._role)
        self._instance = InstanceService(self._role, settings.model, self._admission)
        self._front.add(self._instance.handlers())
        guard = guard_of(settings)
        front = self._front if self._traces is None else self._traces.around(self._front)
        self._listener = Listener(self._role, front, guard, settings.limits, meter.stalled)
        registry.register(
            LoadCollector(
                self._admission, self._role.lanes, self._instance.load, version("tidegate")
            )
        )
        ProcessCollector(registry=registry)
        allows = None if guard.trust is None else guard.trust.lets_scrape
        self._exporter = Exporter(registry, guard.tls, allows)
        self._admin = Admin()
        self._registration: Registration | None = None
        self._stop = asyncio.Event()
        # Held here, because the loop itself keeps no task alive.
        self._improving: asyncio.Task[None] | None = None
        self._answering: Answering | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartError and EngineDiedError."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stop.set)
        if self._read_again is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload, self._read_again)
        check_folder(self._settings.profiles)
        async with self._listener:
            port = await self._listener.start(self._settings.host, self._settings.port)
            log.info("listening", host=self._settings.host, port=port)
            await self._serve_metrics()
            await self._serve_admin()
            self._register(port)
            try:
                await self._serve()
            finally:
                if self._registration is not None:
                    await self._registration.leave()
                await self._exporter.stop()
                await self._admin.stop()
                if self._traces is not None:
                    await self._traces.stop()

    async def _serve_metrics(self) -> None:
        address = self._settings.metrics_address
        if address is not None:
            host, port = address
            port = await self._exporter.start(host, port)
            log.info("metrics served", address=f"{host}:{port}")

    async def _serve_admin(self) -> None:
        address = self._settings.admin_address
        if address is None:
            return
        host, port = address
        try:
            port = await self._admin.start(host, port)
        except ImportError as error:
            problem = f"admin_listen: needs pip install 'tidegate[admin]' ({error})"
            raise StartError(problem) from None
        except RuntimeError:
            raise StartError(f"admin_listen: {host}:{port} can't be listened on") from None
        log.info("channelz served", address=f"{host}:{port}")

    async def _serve(self) -> None:
        engine = await self._until_stop(self._load(self._settings, Progress()))
        if engine is None:
            return
        engine.start()
        with self._watchdog(engine):
            await self._answer(engine)

    async def _answer(self, engine: Engine) -> None:
        try:
            self._answering = answering = Answering(self._settings, engine, self._edge)
            try:
                if await self._until_stop(self._open(engine, answering)):
                    self._improving = asyncio.create_task(_improve(engine, answering))
                    await self._watch(engine, answering)
                    await self._drain()
            finally:
                await answering.stop()
        finally:
            await engine.stop()

    async def _open(self, engine: Engine, answering: Answering) -> bool:
        """Become hot: warmed up first, then serving, then told to the world."""
        await answering.warm_up()
        engine.tell(self._sequence_ended)
        self._instance.engine = engine
        self._front.add(answering.handlers())
        self._front.open()
        self._instance.phase = Phase.HOT
        await self._listener.start_serving()
        self._announce(Phase.HOT)
        log.info("hot", model=engine.model_name, role=self._role.value)
        return True

    def _reload(self, read_again: Callable[[], ServerSettings]) -> None:
        """Take in settings that are read anew: what can count at once does, the rest is named in the log."""
        if self._terminal.is_closed():
            self._stop.set()
            return
        try:
            reload = compare(self._settings, read_again(), AT_ONCE)
            if self._answering is not None:
                self._answering.adopt(reload.settings)
        except (SettingsError, StartError) as error:
            log.error("settings not reloaded", problem=str(error))
            return
        self._settings = reload.settings
        for name, (before, after) in reload.changed.items():
            log.info("setting changed", setting=name, before=before, after=after)
        if reload.waiting:
            log.warning("settings need a restart", settings=", ".join(reload.waiting))
        log.info("settings reloaded", changed=len(reload.changed), waiting=len(reload.waiting))

    async def _watch(self, engine: Engine, answering: Answering) -> None:
        """Wait for the signal to stop; take over changed profiles meanwhile."""
        while not self._stop.is_set():
            if not engine.is_healthy():
                await self._listener.stop_serving()
                raise EngineDiedError("the engine answers no more; the log has the trace")
            answering.profiles.refresh()
            await _wait(self._stop.wait(), _LOOK_EVERY_S)

    async def _drain(self) -> None:
        """Leave without losing a call: told first, refused next, finished last."""
        self._instance.phase = Phase.DRAINING
        self._announce(Phase.DRAINING)
        await self._listener.stop_serving()
        self._admission.close()
        log.info("draining", in_flight=repr(self._admission), at_most_s=self._settings.drain_s)
        if self._registration is not None:
            await self._registration.wait_told(_FAREWELL_S)
        await asyncio.sleep(_FAREWELL_S)
        await _wait(self._edge.wait_idle(), self._settings.drain_s)
        log.info("drained", left=repr(self._admission))

    def _watchdog(self, engine: Engine) -> AbstractContextManager[object]:
        limit_s = self._settings.watchdog_s
        if limit_s == 0:
            return nullcontext()
        loop = asyncio.get_running_loop()

        def say_farewell() -> None:
            leaving = asyncio.run_coroutine_threadsafe(self._say_farewell(), loop)
            with suppress(TimeoutError, concurrent.futures.TimeoutError):
                leaving.result(_LAST_WORDS_S)

        return Watchdog(engine.load, time.monotonic, limit_s, say_farewell)

    async def _say_farewell(self) -> None:
        """Send callers elsewhere: this process ends without a drain."""
        await self._listener.stop_serving()
        await asyncio.sleep(_FAREWELL_S)
        if self._registration is not None:
            await self._registration.leave()

    async def _until_stop(self, work: Coroutine[Any, Any, _Done]) -> _Done | None:
        """Return what `work` returns, or None when the signal to stop comes first."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    def _register(self, port: int) -> None:
        settings = self._settings
        if settings.consul == "off":
            return
        instance = Instance(
            service_name=settings.service_name,
            host=settings.advertise_host or _reachable(settings.host),
            port=port,
            role=self._role,
            slots=self._slots,
            model=settings.model,
            version=version("tidegate"),
            launched_by=settings.launched_by,
            # An agent has neither our CA nor a certificate of a balancer's to show.
            check=Check.GRPC if settings.tls_cert is None else Check.SIGN_OF_LIFE,
        )
        self._registration = Registration(instance, consul_of(settings))
        self._registration.start()

    def _sequence_ended(self, times: Times, usage: Usage, ending: Ending | None) -> None:
        self._edge.sequence_ended(times, usage)
        if self._traces is not None:
            self._traces.sequence_ended(times, usage, ending)

    def _announce(self, phase: Phase) -> None:
        if self._registration is not None:
            self._registration.announce(phase)


async def _improve(engine: Engine, answering: Answering) -> None:
    """Do what a start doesn't wait for: first what the next calls would compute, then faster steps."""
    # Those who waited for this instance go first.
    await asyncio.sleep(_HEAD_START_S)
    spare_calls()
    await answering.prepare_all()
    await engine.pack()


def _traces_of(settings: ServerSettings) -> "Traces | None":
    """What stands around calls where they are traced. Raises StartError."""
    if settings.traces_to == "off":
        return None
    try:
        # Five packages, which nobody needs who doesn't trace.
        from tidegate.server.telemetry.traces import Traces
    except ImportError as error:
        raise StartError(f"traces_to: needs pip install 'tidegate[tracing]' ({error})") from None
    return Traces(
        settings.traces_to,
        settings.traces_share,
        version=version("tidegate"),
        instance=f"{settings.advertise_host or settings.host}:{settings.port}",
        model=settings.model,
    )


def _reachable(host: str) -> str:
    """Return an address under which others reach a server that listens on `host`."""
    if host not in _WILDCARDS:
        return host
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        problem = f"host {host} has no address of its own ({error}); advertise_host must be set"
        raise StartError(problem) from None


async def _wait(awaited: Coroutine[Any, Any, object], timeout_s: float) -> None:
    """Wait for something, but not longer than `timeout_s`."""
    try:
        await asyncio.wait_for(awaited, timeout_s)
    except (TimeoutError, asyncio.TimeoutError):
        return

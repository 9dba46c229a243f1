"""Puts the balancer together, and takes it apart without losing a call.

Start: listen, then look for instances. Drain: refuse what is new, answer what waits, finish what runs.
Knows every part, and decides nothing.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import grpc
import structlog
from google.rpc import error_details_pb2
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from prometheus_client import CollectorRegistry, ProcessCollector

from tidegate.balancer.channels import Channels
from tidegate.balancer.config import AT_ONCE, BalancerSettings
from tidegate.balancer.consul_http import ConsulAccess
from tidegate.balancer.core.answer_cache import AnswerCache
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.core.policy import LanePolicy, Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.discovery import ConsulDiscovery
from tidegate.balancer.dispatcher import Dispatcher
from tidegate.balancer.drains import Drains
from tidegate.balancer.fleet import FleetHealth, FleetService
from tidegate.balancer.guarding import (
    calling_of,
    consul_of,
    guard_of,
    listening_of,
    own_token_of,
    shares_of,
)
from tidegate.balancer.heat import Heat
from tidegate.balancer.launchers.choice import launcher_of
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.methods import SERVICE_NAMES, lane_of
from tidegate.balancer.own_call import OwnCall
from tidegate.balancer.port import PortError, bracketed, try_port
from tidegate.balancer.proxy import Proxy
from tidegate.balancer.pulse import Pulse
from tidegate.balancer.sharing import Sharing
from tidegate.balancer.static_discovery import StaticDiscovery
from tidegate.balancer.telemetry.exporter import Exporter
from tidegate.balancer.telemetry.fleet import FleetCollector
from tidegate.balancer.telemetry.meter import Meter
from tidegate.identity.door import Collected, Door
from tidegate.identity.problem import IdentityError
from tidegate.identity.why import Why
from tidegate.limits.capped import Cap, Capped
from tidegate.limits.patient import Patient
from tidegate.limits.port import port_options
from tidegate.limits.watch import StallWatch
from tidegate.operating.admin import Admin
from tidegate.operating.reload import compare
from tidegate.v1 import fleet_pb2, fleet_pb2_grpc

if TYPE_CHECKING:
    from tidegate.balancer.telemetry.traces import Traces

LISTENER_OPTIONS: tuple[tuple[str, int], ...] = (
    # Beyond these gRPC cancels calls that nobody has looked at. To refuse them with a hint takes half of what an answer takes: when even
    # that is too much, all would stand in a queue of dead calls, which are taken up all the same. This one is about a second long.
    ("grpc.server.max_pending_requests", 500),
    ("grpc.server.max_pending_requests_hard_limit", 1_000),
)
FAREWELL_S = 0.5
"""For callers who watch the health and go elsewhere: gRPC cancels, without a word, what comes in the very moment in which a
server stops."""
STOP_GRACE_S = 0.5
"""For statuses that are on their way, and for health watches, which never end by themselves."""

# Known to reflection because it is imported: lets grpcurl show the details of a refusal.
REFLECTED_DETAILS = error_details_pb2.DESCRIPTOR.name

_log = structlog.get_logger("tidegate.balancer")


class StartError(Exception):
    """The balancer can't start. The message is one line for the person who started it."""


def utc_now() -> datetime:
    """The time by the wall clock."""
    return datetime.now(timezone.utc)


def policy_of(settings: BalancerSettings) -> Policy:
    """The numbers that the core decides by."""
    return Policy(
        lanes={
            Lane.SENTIMENT: LanePolicy(settings.sentiment_wait_s, settings.sentiment_queue_limit),
            Lane.CHAT: LanePolicy(settings.chat_wait_s, settings.chat_queue_limit),
        },
        chat_share=settings.chat_share,
        degrade_enter_s=settings.degrade_enter_s,
        degrade_leave_s=settings.degrade_leave_s,
        short_share=settings.short_share,
        shares=shares_of(settings),
        slow_start_s=settings.slow_start_s,
    )


def _meter_and_traces(
    settings: BalancerSettings, registry: CollectorRegistry, version: str, worker: str
) -> "tuple[Meter, Traces | None]":
    """What counts calls, and what stands around them where they are traced."""
    if settings.traces_to == "off":
        return Meter(registry), None
    try:
        # Five packages, which nobody needs who doesn't trace.
        from tidegate.balancer.telemetry.traces import TracedMeter, Traces
    except ImportError as error:
        raise StartError(f"traces_to: needs pip install 'tidegate[tracing]' ({error})") from None
    who = f"{settings.host}:{settings.port} {worker}".strip()
    return TracedMeter(registry), Traces(settings.traces_to, settings.traces_share, version, who)


class Sidecar:
    """One balancer on the running loop. `worker` says which, of several on one port: "2 of 4".

    `wall` is the clock of timetables, and knows its time zone.
    """

    def __init__(
        self,
        settings: BalancerSettings,
        version: str,
        worker: str = "",
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        try:
            self._build(settings, version, worker, wall)
        except IdentityError as error:
            raise StartError(str(error)) from None

    def _build(
        self,
        settings: BalancerSettings,
        version: str,
        worker: str,
        wall: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._tls = listening_of(settings)
        consul, calling, own_token = (
            consul_of(settings),
            calling_of(settings),
            own_token_of(settings),
        )
        self._shares_port = bool(worker)
        self._pool = Pool(policy_of(settings), random.Random())  # noqa: S311  # spreads, not secret
        registry = CollectorRegistry()
        meter, self._traces = _meter_and_traces(settings, registry, version, worker)
        self._dispatcher = Dispatcher(self._pool, meter, self._log_change)
        registry.register(FleetCollector(self._pool, self._dispatcher.now_s, version))
        ProcessCollector(registry=registry)
        guard = guard_of(settings, own_token, meter.denied)
        is_asked = settings.tokens is not None
        self._exporter = Exporter(
            registry, self._tls, guard.porter.lets_scrape if is_asked else None
        )
        self._admin = Admin()
        self._channels = Channels(calling)
        self.sharing = (
            Sharing(self._dispatcher, AnswerCache(settings.answer_cache_s))
            if settings.share_equal_calls
            else None
        )
        self._discovery: ConsulDiscovery | StaticDiscovery
        if settings.addresses:
            self._discovery = StaticDiscovery(settings.addresses, self._observe, calling, own_token)
        else:
            self._discovery = ConsulDiscovery(consul, settings.service_name, self._observe)
        self._drains = Drains()
        self.heat = self._heat_of(settings, consul, worker, wall)
        self._pulse = Pulse(self._dispatcher.note_lag)
        self._own_call = OwnCall(self._dispatcher.note_delay)
        self._health = FleetHealth(
            [role for role, rule in settings.scales.items() if not rule.minimum]
        )
        self._membership_changed = asyncio.Event()
        self._is_met = asyncio.Event()
        self._reporting: asyncio.Task[None] | None = None
        proxy = Proxy(self._dispatcher, self._channels, meter, self.sharing)
        within = proxy if self._traces is None else self._traces.around(proxy)
        lanes = Door(within, guard.porter.admit) if guard.guards_lanes else within
        self._watch = StallWatch(settings.limits, meter.stalled)
        fleet = FleetService(
            self._dispatcher, str(self._discovery), version, self._drain, worker, self.heat
        )
        collected = Collected()
        fleet_pb2_grpc.add_FleetServicer_to_server(fleet, collected)  # type: ignore[arg-type]
        beside = Collected()
        beside.handlers = [
            Door(each, guard.porter.admit_operator) if guard.guards_fleet else each
            for each in collected.handlers
        ]
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, beside)  # type: ignore[arg-type]
        names = [
            *SERVICE_NAMES.values(),
            fleet_pb2.DESCRIPTOR.services_by_name["Fleet"].full_name,
            health.SERVICE_NAME,
            reflection.SERVICE_NAME,
        ]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            reflection.aio.ReflectionServicer(names), beside
        )
        cap = Cap(settings.limits.side_calls, lambda: meter.denied(Why.TOO_MANY_WATCH))
        self._server = grpc.aio.server(
            handlers=[
                Patient(lanes, self._watch, self._is_wanted),
                *(Patient(Capped(each, cap), self._watch) for each in beside.handlers),
            ],
            options=(
                *LISTENER_OPTIONS,
                *port_options(settings.limits),
                # Two balancers on one port by mistake would share its connections without a word.
                ("grpc.so_reuseport", int(self._shares_port)),
            ),
        )
        self.port = 0
        self.metrics_port = 0
        self.admin_port = 0

    def __repr__(self) -> str:
        return f"<Sidecar {self._settings.host}:{self.port} {self._discovery} {self._pool}>"

    @property
    def pool(self) -> Pool:
        """The pool; to look at only."""
        return self._pool

    async def start(self, meet_fleet_s: float = 0.0) -> None:
        """Listen and look for instances. Raises `StartError`.

        The first call is taken when there is a hot instance, or when `meet_fleet_s` are over.
        """
        await self._health.report(self._pool)
        self.port = self._listen()
        await self._serve_metrics()
        await self._serve_admin()
        self._reporting = asyncio.ensure_future(self._report_health())
        self._pulse.start()
        self._channels.start()
        self._discovery.start()
        if self.heat is not None:
            self.heat.start()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._is_met.wait(), meet_fleet_s)
        # A port that is this process's own: others may share the one above.
        own_port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self._watch.start()
        self._own_call.start(f"127.0.0.1:{own_port}")
        address = f"{bracketed(self._settings.host)}:{self.port}"
        _log.info("balancer listens", address=address, discovery=str(self._discovery))
        if self._settings.tokens is not None and self._tls is None:
            _log.warning(
                "tokens travel unencrypted", address=address, hint="give tls_cert and tls_key"
            )

    def adopt(self, settings: BalancerSettings) -> None:
        """Take in settings that were read anew: what can count at once does, the rest is named in the log."""
        reload = compare(self._settings, settings, AT_ONCE)
        self._settings = reload.settings
        if reload.changed:
            self._dispatcher.adopt(policy_of(reload.settings))
        for name, (before, after) in reload.changed.items():
            _log.info("setting changed", setting=name, before=before, after=after)
        if reload.waiting:
            _log.warning("settings need a restart", settings=", ".join(reload.waiting))
        _log.info("settings reloaded", changed=len(reload.changed), waiting=len(reload.waiting))

    async def drain(self) -> None:
        """Refuse what is new, answer what waits, and give what runs its time; then stop."""
        _log.info("balancer drains", pool=repr(self._pool), limit_s=self._settings.drain_s)
        # First of all, so that whoever comes or waits is told the reason.
        self._dispatcher.close()
        self._pulse.stop()
        await self._own_call.stop()
        await self._health.close()
        if self._health.is_watched:
            await asyncio.sleep(FAREWELL_S)
        await self._discovery.stop()
        if self.heat is not None:
            # Others may lead from now on; what was started goes on until the calls here have ended.
            await self.heat.lead_no_more()
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._dispatcher.drained(), self._settings.drain_s)
        cut_off = self._pool.in_flight
        await self._server.stop(STOP_GRACE_S)
        await self._watch.stop()
        self._dispatcher.stop()
        await self._channels.close()
        if self.heat is not None:
            await self.heat.stop()
        await self._exporter.stop()
        await self._admin.stop()
        if self._traces is not None:
            await self._traces.stop()
        _log.info("balancer stopped", cut_off=cut_off)

    def _is_wanted(self, path: str) -> bool:
        """Whether others wait for the slot of a call."""
        lane = lane_of(path)
        return lane is not None and self._pool.is_awaited(lane)

    def _heat_of(
        self,
        settings: BalancerSettings,
        consul: ConsulAccess,
        worker: str,
        wall: Callable[[], datetime],
    ) -> Heat | None:
        try:
            choice = launcher_of(settings)
        except LaunchError as error:
            raise StartError(str(error)) from None
        if choice is None:
            return None
        drained = lambda: self._drains.by_hand  # noqa: E731
        return Heat(settings, consul, choice, self._dispatcher, drained, worker, wall)

    async def _serve_metrics(self) -> None:
        address = self._settings.metrics_address
        if address is None:
            return
        host, port = address
        try:
            self.metrics_port = await self._exporter.start(host, port)
        except OSError as error:
            problem = error.strerror or str(error)
            raise StartError(f"can't serve metrics on {host}:{port}: {problem}") from None
        _log.info("metrics served", address=f"{host}:{self.metrics_port}")

    async def _serve_admin(self) -> None:
        address = self._settings.admin_address
        if address is None:
            return
        try:
            self.admin_port = await self._admin.start(*address)
        except ImportError as error:
            raise StartError(
                f"admin_listen: needs pip install 'tidegate[admin]' ({error})"
            ) from None
        except RuntimeError:
            raise StartError(f"can't serve channelz on {address[0]}:{address[1]}") from None
        _log.info("channelz served", address=f"{address[0]}:{self.admin_port}")

    def _listen(self) -> int:
        host, port = self._settings.host, self._settings.port
        try:
            if not self._shares_port:
                try_port(host, port)
            address = f"{bracketed(host)}:{port}"
            if self._tls is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, self._tls.credentials())
        except PortError as error:
            raise StartError(str(error)) from None
        except RuntimeError as error:
            raise StartError(f"can't listen on {bracketed(host)}:{port}: {error}") from None

    def _observe(self, registrations: Sequence[Registration], reason: str) -> None:
        self._drains.take(registrations)
        self._apply_membership(reason)

    def _drain(self, instance_id: str) -> bool:
        is_known = self._drains.drain(instance_id)
        if is_known:
            self._apply_membership("an operator drains it")
        return is_known

    def _apply_membership(self, reason: str) -> None:
        registrations = self._drains.registrations
        self._dispatcher.observe(registrations, reason)
        self._channels.retain({each.address for each in registrations})
        self._membership_changed.set()
        if any(each.phase is Phase.HOT for each in registrations):
            self._is_met.set()

    async def _report_health(self) -> None:
        while True:
            await self._membership_changed.wait()
            self._membership_changed.clear()
            await self._health.report(self._pool)

    def _log_change(self, change: Change) -> None:
        _log.info(
            "state changed",
            of=change.instance_id,
            before=change.before,
            after=change.after,
            reason=change.reason,
            pool=repr(self._pool),
        )

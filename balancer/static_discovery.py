"""Learns about instances from a list of addresses, without Consul.

Asks each one what it is (`Instance.GetLoad`) and follows its life by watching its health; a lost connection
is a gone instance until it answers again. Knows nothing about the pool.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

import grpc
import structlog
from grpc_health.v1 import health_pb2
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

from tidegate.balancer.channels import open_channel
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase, Registration, Role
from tidegate.identity import bearer
from tidegate.identity.calling import CallingTls
from tidegate.identity.distrust import distrust
from tidegate.identity.watched import Watched
from tidegate.v1 import fleet_pb2, instance_pb2, instance_pb2_grpc

Observe = Callable[[Sequence[Registration], str], None]

ASK_TIMEOUT_S = 5.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 1.0

_PHASES = {
    fleet_pb2.PHASE_WARMING: Phase.WARMING,
    fleet_pb2.PHASE_HOT: Phase.HOT,
    fleet_pb2.PHASE_DRAINING: Phase.DRAINING,
}
_ROLES = {
    fleet_pb2.ROLE_BOTH: Role.BOTH,
    fleet_pb2.ROLE_SENTIMENT: Role.SENTIMENT,
    fleet_pb2.ROLE_CHAT: Role.CHAT,
}

_log = structlog.get_logger("tidegate.balancer.discovery")


def registration_of(
    address: str, load: instance_pb2.GetLoadResponse, *, is_healthy: bool
) -> Registration:
    """What an instance says of itself, as a registration. Health decides about hot."""
    phase = _PHASES.get(load.phase, Phase.WARMING)
    if is_healthy and phase is Phase.WARMING:
        phase = Phase.HOT
    elif not is_healthy and phase is Phase.HOT:
        phase = Phase.WARMING
    slots = {lane_load.lane: lane_load.slots for lane_load in load.lanes}
    return Registration(
        id=instance_id(address),
        address=address,
        phase=phase,
        role=_ROLES.get(load.role, Role.BOTH),
        slots={lane: slots.get(lane.value, 0) for lane in Lane},
        model=load.model,
        version=load.version,
    )


def instance_id(address: str) -> str:
    """The id under which host:port would have registered."""
    host, _, port = address.rpartition(":")
    return f"tidegate-{host.strip('[]')}-{port}"


class StaticDiscovery:
    """Watches a fixed list of host:port."""

    def __init__(
        self,
        addresses: Sequence[str],
        observe: Observe,
        tls: CallingTls | None = None,
        token: Watched[str] | None = None,
    ) -> None:
        self._addresses = tuple(addresses)
        self._tls = tls
        self._token = token
        self._observe = observe
        self._known: dict[str, Registration] = {}
        self._watches: list[asyncio.Task[None]] = []

    def __str__(self) -> str:
        return "static"

    def start(self) -> None:
        """Begin to watch."""
        self._watches = [asyncio.ensure_future(self._watch(each)) for each in self._addresses]

    async def stop(self) -> None:
        """Stop watching."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def _watch(self, address: str) -> None:
        """Follow one life of the instance after the other."""

        def note_away(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            if state.attempt_number == 1 and isinstance(error, grpc.aio.AioRpcError):
                problem = f"{error.code().name}: {error.details()}"
                why = distrust(problem, address, "instance_tls_ca", "instance_tls_name")
                _log.warning("instance is away", address=address, problem=why or problem)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((grpc.aio.AioRpcError, ConnectionError)),
            wait=wait_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S)
            + wait_random(0, 0.1),
            before_sleep=note_away,
        )
        await retrying(self._live, address)

    async def _live(self, address: str) -> NoReturn:
        """Follow one life over a channel of its own, secured by what the files say now."""
        async with open_channel(address, self._tls) as channel:
            await self._follow(address, channel)

    async def _follow(self, address: str, channel: grpc.aio.Channel) -> NoReturn:
        """Follow one life of an instance, until its connection is lost and an error says so."""
        # Written out, because the stub's types know Check only.
        watch: grpc.aio.UnaryStreamMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        instance = instance_pb2_grpc.InstanceStub(channel)
        token = self._token
        try:
            async for answer in watch(health_pb2.HealthCheckRequest(service="")):
                shown = () if token is None else ((bearer.KEY, f"Bearer {token.value}"),)
                load = await instance.GetLoad(
                    instance_pb2.GetLoadRequest(), timeout=ASK_TIMEOUT_S, metadata=shown
                )
                is_healthy = answer.status == health_pb2.HealthCheckResponse.SERVING
                self._tell(address, registration_of(address, load, is_healthy=is_healthy))
        except grpc.aio.AioRpcError:
            self._tell(address, None)
            raise
        self._tell(address, None)
        raise ConnectionError(f"{address} ended its health watch")

    def _tell(self, address: str, registration: Registration | None) -> None:
        before = dict(self._known)
        if registration is None:
            self._known.pop(address, None)
        else:
            self._known[address] = registration
        if self._known != before:
            self._observe(tuple(self._known.values()), "static")

"""Tells who asks what the balancer knows, and passes on what operators want: the Fleet service, and health.

Reads the pool and changes nothing in it. Knows nothing about where instances come from but its name.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from tidegate.balancer.board import BoardError
from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Instance, Phase, Role
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.dispatcher import Dispatcher
from tidegate.balancer.heat import Heat
from tidegate.balancer.methods import SERVICE_NAMES
from tidegate.balancer.scaling import Scaling
from tidegate.v1 import fleet_pb2, fleet_pb2_grpc

_PHASES = {
    Phase.COLD: fleet_pb2.PHASE_COLD,
    Phase.WARMING: fleet_pb2.PHASE_WARMING,
    Phase.HOT: fleet_pb2.PHASE_HOT,
    Phase.DRAINING: fleet_pb2.PHASE_DRAINING,
    Phase.GONE: fleet_pb2.PHASE_UNSPECIFIED,
}
_ROLES = {
    Role.BOTH: fleet_pb2.ROLE_BOTH,
    Role.SENTIMENT: fleet_pb2.ROLE_SENTIMENT,
    Role.CHAT: fleet_pb2.ROLE_CHAT,
}


LOOK_S = 0.25
"""How often a watched status is compared with the one told last."""
WARM_S = 3600
WARM_MOST_S = 7 * 86_400
SILENCE_S = 5.0
"""A watcher hears at least this often, so that silence means a lost balancer."""


class FleetService(fleet_pb2_grpc.FleetServicer):
    """Answers Fleet calls, each from one snapshot of the pool.

    `drain` stops sending to the instance of an id, and says whether there is one. `heat` starts and stops
    instances; None where nobody does.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        discovery: str,
        version: str,
        drain: Callable[[str], bool],
        worker: str = "",
        heat: Heat | None = None,
    ) -> None:
        self._drain = drain
        self._heat = heat
        self._dispatcher = dispatcher
        self._discovery = discovery
        self._version = version
        self._worker = worker

    async def GetStatus(  # noqa: N802
        self,
        request: fleet_pb2.GetStatusRequest,
        context: "grpc.aio.ServicerContext[fleet_pb2.GetStatusRequest, fleet_pb2.GetStatusResponse]",
    ) -> fleet_pb2.GetStatusResponse:
        """The instances, the lanes and the counts at one instant."""
        return self._status()

    async def WatchStatus(  # noqa: N802
        self,
        request: fleet_pb2.WatchStatusRequest,
        context: "grpc.aio.ServicerContext[fleet_pb2.WatchStatusRequest, fleet_pb2.GetStatusResponse]",
    ) -> AsyncIterator[fleet_pb2.GetStatusResponse]:
        """A snapshot at once, then whenever one differs from the last, and every five seconds."""
        told, told_s = None, 0.0
        while True:
            status, now = self._status(), self._dispatcher.now_s()
            if status != told or now - told_s >= SILENCE_S:
                told, told_s = status, now
                yield status
            await asyncio.sleep(LOOK_S)

    async def Drain(  # noqa: N802
        self,
        request: fleet_pb2.DrainRequest,
        context: "grpc.aio.ServicerContext[fleet_pb2.DrainRequest, fleet_pb2.DrainResponse]",
    ) -> fleet_pb2.DrainResponse:
        """Send nothing more to one instance."""
        if not self._drain(request.instance_id):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"instance_id: no instance {request.instance_id!r} is known; "
                "Fleet.GetStatus tells the ids",
            )
        found = [each for each in self._dispatcher.pool.instances if each.id == request.instance_id]
        return fleet_pb2.DrainResponse(instance=_instance_status(found[0]))

    async def Warm(  # noqa: N802
        self,
        request: fleet_pb2.WarmRequest,
        context: "grpc.aio.ServicerContext[fleet_pb2.WarmRequest, fleet_pb2.WarmResponse]",
    ) -> fleet_pb2.WarmResponse:
        """Have so many of a role hot for a while."""
        if request.for_s > WARM_MOST_S:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"for_s: {request.for_s} is above {WARM_MOST_S}, a week; at most that is accepted",
            )
        scaling, role = await self._scaled(int(request.role), request.count, 1, context)
        try:
            await scaling.warm(role, request.count, request.for_s or WARM_S)
        except BoardError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return fleet_pb2.WarmResponse(scale=_scale_status(scaling, role))

    async def Pin(  # noqa: N802
        self,
        request: fleet_pb2.PinRequest,
        context: "grpc.aio.ServicerContext[fleet_pb2.PinRequest, fleet_pb2.PinResponse]",
    ) -> fleet_pb2.PinResponse:
        """Have at least so many of a role hot until it is let go."""
        scaling, role = await self._scaled(int(request.role), request.count, 0, context)
        try:
            await scaling.pin(role, request.count)
        except BoardError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return fleet_pb2.PinResponse(scale=_scale_status(scaling, role))

    async def _scaled(
        self, said: int, count: int, least: int, context: Any
    ) -> tuple[Scaling, Role]:
        """Who scales the role that a caller names, and the role; ends the call where that can't be."""
        roles = {int(number): role for role, number in _ROLES.items()}
        if said not in roles:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"role: {said} is none of both (1), sentiment (2), chat (3)",
            )
        role = roles[said]
        scale = None if self._heat is None else self._heat.scaling.status(role)
        if self._heat is None or scale is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"role: this balancer starts no instances of role {role.value}; its settings "
                "launcher and scale say what it starts",
            )
            raise AssertionError("abort returned")
        if not least <= count <= scale.maximum:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"count: {count} is not from {least} to {scale.maximum}, the maximum of role {role.value}",
            )
        return self._heat.scaling, role

    def _status(self) -> fleet_pb2.GetStatusResponse:
        pool, now = self._dispatcher.pool, self._dispatcher.now_s()
        instances = sorted(pool.instances, key=lambda instance: instance.id)
        return fleet_pb2.GetStatusResponse(
            instances=[_instance_status(instance) for instance in instances],
            lanes=[_lane_status(pool, lane, now) for lane in QUEUES],
            discovery=self._discovery,
            version=self._version,
            worker=self._worker,
            scales=self._scales(),
            is_leading=self._heat is not None and self._heat.is_leading,
        )

    def _scales(self) -> list[fleet_pb2.ScaleStatus]:
        if self._heat is None:
            return []
        return [_scale_status(self._heat.scaling, role) for role in self._heat.scaling.roles]


def _instance_status(instance: Instance) -> fleet_pb2.InstanceStatus:
    registration = instance.registration
    slots = {lane: registration.slots_of(lane) for lane in Lane}
    return fleet_pb2.InstanceStatus(
        id=instance.id,
        address=instance.address,
        phase=_PHASES[instance.phase],
        role=_ROLES[registration.role],
        model=registration.model,
        slots=sum(slots.values()),
        in_flight=sum(instance.in_flight.values()),
        lanes=[
            fleet_pb2.LaneLoad(
                lane=lane.value, slots=slots[lane], in_flight=instance.in_flight[lane]
            )
            for lane in Lane
            if lane in QUEUES or slots[lane]
        ],
    )


def _scale_status(scaling: Scaling, role: Role) -> fleet_pb2.ScaleStatus:
    status = scaling.status(role)
    if status is None:
        return fleet_pb2.ScaleStatus()
    decisions = []
    for each in status.decisions:
        decision = fleet_pb2.ScaleDecision(before=each.before, after=each.after, reason=each.reason)
        decision.at.FromDatetime(each.at)
        decisions.append(decision)
    return fleet_pb2.ScaleStatus(
        role=_ROLES[role],
        launched=status.launched,
        minimum=status.minimum,
        maximum=status.maximum,
        pinned=status.pinned,
        warm_up_ms=round(status.warm_up_s * 1000),
        decisions=decisions,
    )


def _lane_status(pool: Pool, lane: Lane, now: float) -> fleet_pb2.LaneStatus:
    tally, backlog = pool.tally(lane), pool.backlog(lane, now)
    return fleet_pb2.LaneStatus(
        lane=lane.value,
        depth=backlog.depth,
        estimated_wait_ms=round(backlog.estimated_wait_s * 1000),
        counts=fleet_pb2.LaneCounts(
            offered=tally.offered,
            full=tally.full,
            degraded=tally.degraded,
            shed=tally.shed,
            expired=tally.expired,
            cancelled=tally.cancelled,
            failed=tally.failed,
        ),
        shed_by_reason={reason.value: count for reason, count in tally.by_reason.items()},
    )


LIVENESS = "liveness"
READINESS = "readiness"


class _Health(health.aio.HealthServicer):
    """grpc.health.v1, which also knows whether anybody watches."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers = 0

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Tell the status of a service whenever it changes."""
        self.watchers += 1
        try:
            await super().Watch(request, context)
        finally:
            self.watchers -= 1


class FleetHealth:
    """Keeps grpc.health.v1 true: a service serves while a hot instance serves it.

    Or while an instance of one of the roles `may_sleep` could: whoever asks for health before each call must be able to
    wake it. For probes there are two names more: `liveness`, as long as anybody answers, and `readiness`, until the
    balancer drains. With nothing hot it is ready, to let calls wait or to say when to come back.
    """

    def __init__(self, may_sleep: Collection[Role] = ()) -> None:
        self._may_sleep = tuple(may_sleep)
        self._is_open = True
        self.servicer = _Health()

    async def report(self, pool: Pool) -> None:
        """Report what the pool has now. "" serves while any service does."""
        if not self._is_open:
            return
        serves = {
            name: not pool.is_cold(lane) or any(role.serves(lane) for role in self._may_sleep)
            for lane, name in SERVICE_NAMES.items()
        }
        await self._say({"": any(serves.values()), READINESS: True, LIVENESS: True, **serves})

    @property
    def is_watched(self) -> bool:
        """Whether somebody goes elsewhere when they hear that nothing is served here."""
        return bool(self.servicer.watchers)

    async def close(self) -> None:
        """Report for good that nothing is served here any more."""
        self._is_open = False
        await self._say(dict.fromkeys(("", READINESS, *SERVICE_NAMES.values()), False))

    async def _say(self, serves: Mapping[str, bool]) -> None:
        for name, is_served in serves.items():
            status = (
                health_pb2.HealthCheckResponse.SERVING
                if is_served
                else health_pb2.HealthCheckResponse.NOT_SERVING
            )
            await self.servicer.set(name, status)

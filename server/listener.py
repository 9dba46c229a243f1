"""Opens the port: the gRPC server with health and reflection, before any model is there.

Knows nothing of what the methods do.
"""

import socket
from collections.abc import Callable
from contextlib import closing
from types import TracebackType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from tidegate.identity.door import Collected, Door
from tidegate.limits.capped import Cap, Capped
from tidegate.limits.patient import Patient
from tidegate.limits.port import port_options
from tidegate.limits.settings import InstanceLimitSettings, LimitSettings
from tidegate.limits.watch import StallWatch
from tidegate.server import instance
from tidegate.server.guarding import OPEN, Guard
from tidegate.server.lane import Role
from tidegate.server.start_error import StartError

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# For probes, beside the names of services: whether the process lives, and whether it takes calls.
LIVENESS = "liveness"
READINESS = "readiness"

# A call frees its slot before its status leaves; health watchers never end by themselves.
_LAST_ANSWERS_S = 0.3

# A port in use must be an error, not a port shared with a stranger.
_OPTIONS = (("grpc.so_reuseport", 0),)


LIMITS = InstanceLimitSettings()


class Listener:
    """The gRPC server of one process, and what it says of its health. `on_stalled` is told of calls that wait for their
    callers for too long.
    """

    def __init__(
        self,
        role: Role,
        front: grpc.GenericRpcHandler,
        guard: Guard = OPEN,
        limits: LimitSettings = LIMITS,
        on_stalled: Callable[[], None] = lambda: None,
    ) -> None:
        services = list(dict.fromkeys(lane.service for lane in role.lanes))
        self._answering = ["", READINESS, *services]
        self._server = grpc.aio.server(options=(*_OPTIONS, *port_options(limits)))
        self._health = health.aio.HealthServicer()
        self._tls = guard.tls
        # Health and reflection stay before it: they tell nothing that isn't in the contract.
        methods = front if guard.trust is None else Door(front, guard.trust.admit)
        self._watch = StallWatch(limits, on_stalled)
        names = [*services, instance.SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME]
        beside = Collected()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, beside)  # type: ignore[arg-type]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            reflection.aio.ReflectionServicer(names), beside
        )
        cap = Cap(limits.side_calls)
        self._server.add_generic_rpc_handlers(
            (
                # Whoever waits for a slot does so in a balancer.
                Patient(methods, self._watch, wanted=lambda _: False),
                *(Patient(Capped(each, cap), self._watch) for each in beside.handlers),
            )
        )

    async def start(self, host: str, port: int) -> int:
        """Listen, not serving yet, and return the port. Raises StartError when it is taken."""
        _require_free(host, port)
        shown = f"[{host}]" if ":" in host else host
        try:
            bound = self._bind(f"{shown}:{port}")
        except RuntimeError:
            raise StartError(f"{shown}:{port} can't be listened on") from None
        await self.stop_serving()
        await self._health.set(LIVENESS, _SERVING)
        await self._server.start()
        self._watch.start()
        return bound

    def _bind(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._tls.credentials())

    async def start_serving(self) -> None:
        """Say SERVING, for the server as a whole, its readiness, and each service."""
        for service in self._answering:
            await self._health.set(service, _SERVING)

    async def stop_serving(self) -> None:
        """Say NOT_SERVING; it still lives."""
        for service in self._answering:
            await self._health.set(service, _NOT_SERVING)

    async def stop(self) -> None:
        """Close the port, let the last answers leave, and end what is still running."""
        await self._server.stop(grace=_LAST_ANSWERS_S)
        await self._watch.stop()

    async def __aenter__(self) -> "Listener":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _require_free(host: str, port: int) -> None:
    """Raise StartError when the address can't be bound; gRPC would log pages about it."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, proto)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        problem = error.strerror or str(error)
        raise StartError(f"host {host}, port {port} can't be listened on: {problem}") from None

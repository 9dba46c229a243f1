"""The Instance service: what this server knows of itself, at any phase of its life.

Static balancers learn an instance's role, lanes and phase from it.
"""

from importlib.metadata import version

import grpc

from tidegate.server.admission import Admission
from tidegate.server.edge import Context, Handlers
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.sequence import EngineLoad
from tidegate.server.lane import Phase, Role
from tidegate.v1 import fleet_pb2, instance_pb2

SERVICE = "tidegate.v1.Instance"

_PHASES = {
    Phase.WARMING: fleet_pb2.PHASE_WARMING,
    Phase.HOT: fleet_pb2.PHASE_HOT,
    Phase.DRAINING: fleet_pb2.PHASE_DRAINING,
}
_ROLES = {
    Role.BOTH: fleet_pb2.ROLE_BOTH,
    Role.SENTIMENT: fleet_pb2.ROLE_SENTIMENT,
    Role.CHAT: fleet_pb2.ROLE_CHAT,
}


class InstanceService:
    """Answers the methods of tidegate.v1.Instance. Whoever runs the server sets its phase."""

    def __init__(self, role: Role, model: str, admission: Admission) -> None:
        self._role = role
        self._model = model
        self._admission = admission
        self.phase = Phase.WARMING
        # None until the model is loaded.
        self.engine: Engine | None = None

    def load(self) -> EngineLoad | None:
        """The engine's counters as they stand; None while the model loads."""
        return None if self.engine is None else self.engine.load()

    def handlers(self) -> Handlers:
        """Return the handler of each method, by its path."""
        return {
            f"/{SERVICE}/GetLoad": grpc.unary_unary_rpc_method_handler(
                self.get_load,
                response_serializer=instance_pb2.GetLoadResponse.SerializeToString,
            )
        }

    async def get_load(self, data: bytes, context: Context) -> instance_pb2.GetLoadResponse:
        """Answer with the counters as they stand; zeros while the model loads."""
        answer = instance_pb2.GetLoadResponse(
            model=self._model,
            version=version("tidegate"),
            phase=_PHASES[self.phase],
            role=_ROLES[self._role],
            lanes=[
                fleet_pb2.LaneLoad(
                    lane=lane.value,
                    slots=self._admission.slots(lane),
                    in_flight=self._admission.in_flight(lane),
                )
                for lane in self._role.lanes
            ],
        )
        load = self.load()
        if load is not None:
            answer.running = load.running
            answer.waiting = load.waiting
            answer.slots = load.slots
            answer.free_slots = load.free_slots
            answer.finished = load.finished
            answer.cancelled = load.cancelled
            answer.failed = load.failed
            answer.steps = load.steps
            answer.computed_tokens = load.computed_tokens
            answer.cached_tokens = load.cached_tokens
        return answer

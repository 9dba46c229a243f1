"""Decides which handler answers a method, and what answers before the model is there.

Knows nothing of what the methods do.
"""

import secrets

import grpc

from tidegate.server.edge import Context, Handler, Handlers
from tidegate.server.lane import Role
from tidegate.server.refusal import Reason, Refusal

# Loading takes seconds to minutes; balancers learn of its end by themselves.
_WARMING_PUSHBACK_S = 1.0


class Front(grpc.GenericRpcHandler):
    """The methods of one server by their paths; those of its lanes wait for `open`.

    A method of a lane that the role doesn't serve is unknown here: UNIMPLEMENTED.
    """

    def __init__(self, role: Role) -> None:
        self._warming = tuple(f"/{lane.service}/" for lane in role.lanes)
        self._handlers: dict[str, Handler] = {}
        self._refusing: Handler = grpc.stream_stream_rpc_method_handler(_refuse_warming)
        self._is_open = False

    def add(self, handlers: Handlers) -> None:
        """Answer these methods from now on."""
        self._handlers.update(handlers)

    def open(self) -> None:
        """Everything has been added: an unknown method of a lane is now unknown."""
        self._is_open = True

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """Return the handler of the method that is called, or None if there is none."""
        path = handler_call_details.method
        handler = self._handlers.get(path)
        if handler is None and not self._is_open and path.startswith(self._warming):
            return self._refusing
        return handler


async def _refuse_warming(_: object, context: Context) -> None:
    # One shape answers all: on the wire a stream of no answers is a refused unary call.
    jittered_s = _WARMING_PUSHBACK_S * (1 + secrets.randbelow(1000) / 1000)
    refusal = Refusal(Reason.WARMING, "this instance is not ready yet", pushback_s=jittered_s)
    await context.abort(refusal.reason.code, refusal.message, trailing_metadata=refusal.trailers)

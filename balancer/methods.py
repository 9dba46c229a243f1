"""Knows the methods that are proxied: their lane, and the shape that the fast path needs.

A method that the contract doesn't have is forwarded all the same, as a stream both ways, which is what every
gRPC call is on the wire. Knows nothing about messages.
"""

from collections.abc import Mapping
from enum import Enum

from tidegate.balancer.core.call import Lane
from tidegate.v1 import chat_pb2, sentiment_pb2


class Shape(Enum):
    """How many messages go each way."""

    UNARY = "one request, one answer"
    SERVER_STREAM = "one request, many answers"
    STREAM = "any number each way"


_SERVICES = {
    Lane.SENTIMENT: sentiment_pb2.DESCRIPTOR.services_by_name["Sentiment"],
    Lane.CHAT: chat_pb2.DESCRIPTOR.services_by_name["Chat"],
}

SERVICE_NAMES: Mapping[Lane, str] = {lane: each.full_name for lane, each in _SERVICES.items()}


def _shape(client_streaming: bool, server_streaming: bool) -> Shape:
    if client_streaming:
        return Shape.STREAM
    return Shape.SERVER_STREAM if server_streaming else Shape.UNARY


_SHAPES = {
    f"/{service.full_name}/{method.name}": _shape(method.client_streaming, method.server_streaming)
    for service in _SERVICES.values()
    for method in service.methods
}
_LANES = {name: lane for lane, name in SERVICE_NAMES.items()}


def lane_of(path: str) -> Lane | None:
    """The lane of "/package.Service/Method"; None for a service that isn't proxied."""
    return _LANES.get(path[1:].rpartition("/")[0])


def shape_of(path: str) -> Shape:
    """The shape of a method; an unknown one streams both ways."""
    return _SHAPES.get(path, Shape.STREAM)


def is_known(path: str) -> bool:
    """Whether the contract has this method."""
    return path in _SHAPES

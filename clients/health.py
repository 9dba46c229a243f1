"""Asks one server or balancer how it is, by the protocol that all of gRPC shares.

Knows nothing about our own services.
"""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2

from tidegate.clients.channel import channel_options
from tidegate.clients.tls import Tls

SERVING = "SERVING"


def ask_health(
    address: str, service: str = "", timeout_s: float = 3.0, tls: Tls | None = None
) -> str:
    """Return the status that host:port gives for a service, "" for the whole: SERVING or another.

    One that has never heard of the service is SERVICE_UNKNOWN, as in a watch. Raises grpc.RpcError
    when nobody answers within `timeout_s`.
    """
    with channel_to(address, tls) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return "SERVICE_UNKNOWN"
            raise
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return name


def channel_to(address: str, tls: Tls | None) -> grpc.Channel:
    """A channel to host:port, by TLS where it is asked for. Raises OSError for a file that can't be read."""
    options = channel_options(address)
    if tls is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(
        address, tls.credentials(), options=[*options, *tls.channel_options()]
    )

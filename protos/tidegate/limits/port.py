"""Says the limits of a port in gRPC's own words.

Knows nothing about calls.
"""

from tidegate.limits.settings import LimitSettings

_PING_TIMEOUT_MS = 20_000
_LEAST_BETWEEN_PINGS_MS = 5_000
"""By its default gRPC takes a client for hostile that keeps its connection alive more often than every five minutes."""


def port_options(limits: LimitSettings) -> tuple[tuple[str, int], ...]:
    """Options of a gRPC server that holds callers to `limits`."""
    return (
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.max_receive_message_length", limits.message_bytes),
        # What goes out was made here.
        ("grpc.max_send_message_length", -1),
        # Two names for one limit: between them gRPC would refuse by chance.
        ("grpc.max_metadata_size", limits.metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
        ("grpc.server_handshake_timeout_ms", _ms(limits.handshake_s)),
        ("grpc.keepalive_time_ms", _ms(limits.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_BETWEEN_PINGS_MS),
        # Windows that grow with the sender's haste, to megabytes a stream, are for bulk over long lines; one of 64 KB takes any text.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_connection_idle_ms", _ms(limits.idle_s)),
        ("grpc.max_connection_age_ms", _ms(limits.age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(limits.age_grace_s)),
    )


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 1)

"""Says how both clients set up their gRPC channel.

Knows nothing about calls; the two stacks take the same options.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

ChannelOptions = list[tuple[str, int | str]]


def channel_options(address: str) -> ChannelOptions:
    """The options for a channel to host:port."""
    options: ChannelOptions = [
        # We retry ourselves; core retrying too would multiply the attempts.
        ("grpc.enable_retries", 0),
        # Core waits 1 s, then up to 120 s, before it dials again, and fails every call until
        # then; so a retry after 0.2 s would never see a balancer that is back.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    if is_loopback(address):
        # http_proxy in the environment is never meant for this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return options


def is_loopback(address: str) -> bool:
    """Whether host:port is surely on this machine."""
    try:
        host = urlsplit(f"//{address}").hostname
    except ValueError:
        return False
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

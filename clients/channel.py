"""Says how both clients set up their gRPC channel.

Knows nothing about calls; the two stacks take the same options.
"""

from __future__ import annotations

import json

from tidegate.clients.targets import is_loopback, is_of_several

ChannelOptions = list[tuple[str, int | str]]

_ALL_IN_TURN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def channel_options(address: str) -> ChannelOptions:
    """The options for a channel to an address."""
    options: ChannelOptions = [
        # We retry ourselves; core retrying too would multiply the attempts.
        ("grpc.enable_retries", 0),
        # Core waits 1 s, then up to 120 s, before it dials again, and fails every call until
        # then; so a retry after 0.2 s would never see a balancer that is back.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    if is_of_several(address):
        # All balancers have work then, and one that is lost is passed over: the next attempt is another's.
        options.append(("grpc.service_config", _ALL_IN_TURN))
    if is_loopback(address):
        # http_proxy in the environment is never meant for this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return options

"""Keeps one gRPC channel per instance, and closes those of instances that are gone.

Knows nothing about calls; a channel that closes lets its calls finish first.
"""

import asyncio
from collections.abc import Collection

import grpc

from tidegate.balancer.unary import UnaryMethod

OPTIONS: tuple[tuple[str, int], ...] = (
    # Only what is named here: filters for what nobody asks for would be a twentieth of what a call costs. Deadlines,
    # cancellation and message sizes are not among them.
    ("grpc.minimal_stack", 1),
    # Retrying is the pool's decision; hidden attempts below it would not be counted.
    ("grpc.enable_retries", 0),
    # An instance is reached directly, whatever proxy the environment names.
    ("grpc.enable_http_proxy", 0),
    # An instance that comes back is found again within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Its own connections, so that the backoff of a former process is not inherited.
    ("grpc.use_local_subchannel_pool", 1),
    # The instance says what is too long for it.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # As much as the listener lets in, both ways.
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
)
CLOSE_GRACE_S = 600.0
"""Longer than any reply takes: the calls of an instance that left the list may still end well."""


def open_channel(address: str) -> grpc.aio.Channel:
    """A plaintext channel to host:port."""
    return grpc.aio.insecure_channel(address, options=OPTIONS)


class Channels:
    """Channels by address, opened when first needed."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._unary: dict[str, dict[str, UnaryMethod]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, address: str) -> grpc.aio.Channel:
        """The channel to that address."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = open_channel(address)
        return channel

    def unary(self, address: str, path: str) -> UnaryMethod:
        """The unary method of that path there, made once: to be asked for paths of the contract only."""
        methods = self._unary.setdefault(address, {})
        method = methods.get(path)
        if method is None:
            method = methods[path] = UnaryMethod(self.to(address), path)
        return method

    def retain(self, addresses: Collection[str]) -> None:
        """Close the channels to all other addresses, each after its last call."""
        for address in self._channels.keys() - addresses:
            self._unary.pop(address, None)
            closing = asyncio.ensure_future(self._channels.pop(address).close(CLOSE_GRACE_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all of them now."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()
        self._unary.clear()

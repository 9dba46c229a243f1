"""Keeps one gRPC channel per instance, and closes those of instances that are gone.

When the files of its TLS have changed, new calls get new channels. Knows nothing about calls; a channel that closes lets
its calls finish first.
"""

import asyncio
from collections.abc import Collection

import grpc
import structlog

from tidegate.balancer.unary import UnaryMethod
from tidegate.identity.calling import CallingTls
from tidegate.identity.distrust import distrust
from tidegate.identity.watched import LOOK_S

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

_log = structlog.get_logger("tidegate.balancer.channels")


def open_channel(address: str, tls: CallingTls | None = None) -> grpc.aio.Channel:
    """A channel to host:port, secured as `tls` says; plaintext without."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    return grpc.aio.secure_channel(address, tls.credentials(), options=(*OPTIONS, *tls.options))


class Channels:
    """Channels by address, opened when first needed."""

    def __init__(self, tls: CallingTls | None = None) -> None:
        self._tls = tls
        self._version = 0 if tls is None else tls.version
        self._renewing: asyncio.Task[None] | None = None
        self._distrusted: dict[str, str] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._unary: dict[str, dict[str, UnaryMethod]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, address: str) -> grpc.aio.Channel:
        """The channel to that address."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = open_channel(address, self._tls)
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
            self._close_later(address)

    def start(self) -> None:
        """Begin to look whether the files of TLS have changed."""
        if self._tls is not None:
            self._renewing = asyncio.ensure_future(self._renew(self._tls))

    def note_lost(self, address: str, code: grpc.StatusCode, details: str) -> None:
        """Take in how a connection was lost; the log tells, once for each instance, when it is for want of trust."""
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            why: str | None = f"{address} takes no calls from this balancer: {details}"
        elif self._tls is not None:
            why = distrust(details, address, "instance_tls_ca", "instance_tls_name")
        else:
            return
        if why is not None and self._distrusted.get(address) != why:
            self._distrusted[address] = why
            _log.warning("instance can't be called", why=why)

    async def _renew(self, tls: CallingTls) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if tls.version != self._version:
                self._version = tls.version
                self._distrusted.clear()
                self.retain(())

    def _close_later(self, address: str) -> None:
        closing = asyncio.ensure_future(self._channels.pop(address).close(CLOSE_GRACE_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all of them now."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()
        self._unary.clear()

"""What both clients are told when they are made, checked: whom they call, how, and how long.

Knows nothing about which of gRPC's two stacks carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from tidegate.clients.channel import ChannelOptions, channel_options
from tidegate.clients.patience import (
    CallMetadata,
    Patience,
    Terms,
    checked_attempts,
    checked_timeout,
)
from tidegate.clients.targets import target_of
from tidegate.clients.tls import Tls, checked_token

DEFAULT_ADDRESS = "localhost:50051"


@dataclass(frozen=True, slots=True)
class Connection:
    """The settings of a client. Raises ValueError for those that make no sense."""

    address: str
    timeout_s: float
    attempts: int
    tls: Tls | None
    token: str | None = field(repr=False)
    caller: str | None

    def __post_init__(self) -> None:
        target_of(self.address)
        checked_timeout(self.timeout_s)
        checked_attempts(self.attempts)
        checked_token(self.token, self.tls, self.address)

    @property
    def target(self) -> str:
        """Whom gRPC connects to."""
        return target_of(self.address)

    @property
    def options(self) -> ChannelOptions:
        """The channel's options."""
        return channel_options(self.address) + (self.tls.channel_options() if self.tls else [])

    def terms(self, timeout_s: float | None, metadata: CallMetadata = ()) -> Terms:
        """Those of a call that must end: after timeout_s, or after the client's own time."""
        seconds = self.timeout_s if timeout_s is None else checked_timeout(timeout_s)
        return Terms(Patience(seconds), self.attempts, (*self._metadata(), *metadata))

    def endless_terms(self, timeout_s: float | None) -> Terms:
        """Those of a call that goes on until it is closed; timeout_s bounds it, None doesn't."""
        patience = Patience(None if timeout_s is None else checked_timeout(timeout_s))
        return Terms(patience, self.attempts, self._metadata())

    def _metadata(self) -> CallMetadata:
        metadata = []
        if self.token is not None:
            metadata.append(("authorization", f"Bearer {self.token}"))
        if self.caller:
            # Metadata is ASCII, a name need not be.
            metadata.append(("tidegate-caller", quote(self.caller, safe=" /:@")))
        return tuple(metadata)

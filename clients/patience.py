"""Says how much of a call's time is left, over all its attempts, and what else these share.

Knows nothing about what the time is spent on.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

CallMetadata = tuple[tuple[str, str], ...]

# Thirty years: gRPC takes what is much longer for a moment that has passed.
LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class Patience:
    """The time that one call may take, from the moment this is made; None never ends."""

    timeout_s: float | None
    _started_s: float = field(default_factory=time.monotonic)

    def left_s(self) -> float | None:
        """Seconds left, never below 0; None when there is no end."""
        if self.timeout_s is None:
            return None
        return max(0.0, self._started_s + self.timeout_s - time.monotonic())


def checked_timeout(timeout_s: float) -> float:
    """The same number; raises ValueError for one that no call can have as its time."""
    if not (math.isfinite(timeout_s) and 0 < timeout_s <= LONGEST_S):
        raise ValueError(
            f"timeout_s: {timeout_s} is not a number of seconds above 0 and up to {LONGEST_S:g}"
        )
    return timeout_s


def checked_attempts(attempts: int) -> int:
    """The same number; raises ValueError for one that would mean no attempt at all."""
    if attempts < 1:
        raise ValueError(f"attempts: {attempts} is not a number from 1 on")
    return attempts


def checked_concurrency(concurrency: int) -> int:
    """The same number; raises ValueError for one with which nothing would ever be sent."""
    if concurrency < 1:
        raise ValueError(f"concurrency: {concurrency} is not a number from 1 on")
    return concurrency


@dataclass(frozen=True, slots=True)
class Terms:
    """What every attempt of a call shares: how often, how long, and what is said beside the message."""

    patience: Patience
    attempts: int
    metadata: CallMetadata = field(default=(), repr=False)

    def metadata_after(self, previous: int) -> CallMetadata:
        """What is said beside the message when so many attempts were made before."""
        return (*self.metadata, *attempts_metadata(previous))


def attempts_metadata(previous: int) -> CallMetadata:
    """Says that a call is sent again, so that a balancer can tell who retries; nothing for a first try.

    gRPC has a key of its own for that, but may take it away from whoever is not its own retry policy.
    """
    return (("tidegate-previous-attempts", str(previous)),) if previous else ()

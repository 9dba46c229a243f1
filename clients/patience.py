"""Says how much of a call's time is left, over all its attempts, and what else these share.

Knows nothing about what the time is spent on.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

CallMetadata = tuple[tuple[str, str], ...]


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
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise ValueError(f"timeout_s: {timeout_s} is not a number of seconds above 0")
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

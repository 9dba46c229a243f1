"""The numbers that the core decides by, in one value.

Knows nothing about where they are configured. Sources: the balancer's promises in
docs/contract.md; ejection after gRFC A50, shortened for fleets of two to four instances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.balancer.core.call import Lane


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """How long a call may wait in a lane, and how many may wait at once."""

    wait_s: float
    max_waiting: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that the pool takes as given."""

    lanes: Mapping[Lane, LanePolicy] = field(
        default_factory=lambda: {
            Lane.SENTIMENT: LanePolicy(wait_s=2.0, max_waiting=1024),
            Lane.CHAT: LanePolicy(wait_s=30.0, max_waiting=256),
        }
    )
    shares: Mapping[str, float] = field(default_factory=dict)
    """Parts of callers, by the key that a call has of its caller, who have another one than 1."""
    chat_share: float = 0.2
    chat_share_window_s: float = 30.0
    slow_start_s: float = 30.0
    eject_after: int = 3
    eject_s: float = 5.0
    eject_max_s: float = 60.0
    degrade_enter_s: float = 10.0
    degrade_leave_s: float = 5.0
    degrade_dwell_s: float = 2.0
    short_share: float = 0.04
    """Simulated at 2, 5 and 10 times the load: full answers keep 0.95, 0.95 and 0.94 of capacity by it, 0.93, 0.76 and 0.72 without."""
    retry_share: float = 0.2
    retry_min: int = 3

"""The names of all figures, for whoever has to know them before anything is measured."""

from tidegate.balancer.core.call import QUEUES
from tidegate.balancer.simulation.visit import Result

_OF_A_LANE = (
    "offered",
    *(result.value for result in Result),
    "answered",
    "in_time",
    "goodput",
    "wait_p50_s",
    "wait_p99_s",
    "p50_s",
    "p95_s",
    "p99_s",
    "slowest_s",
)
_OF_ALL = (
    "goodput",
    "in_time",
    "p95_s",
    "violations",
    "inversions",
    "over_admissions",
    "refusals",
    "let_in_and_expired",
    "timeout_error_p99_s",
    "sends_per_call",
    "retries_let_in",
    "chat_share",
    "chat_share_lowest",
    "late_served",
    "recovery_s",
    "recovery_after_queue_s",
    "unevenness",
    "degrade_switches",
    "instance_hours",
    "starts",
    "failed_starts",
    "plans",
)
NAMES = (*(f"{lane.value}_{name}" for lane in QUEUES for name in _OF_A_LANE), *_OF_ALL)
"""Every figure that a gate can name."""

"""Names every metric of the balancer, and says what it means: the one source of docs/telemetry.md.

Labels take few values: lanes, outcomes, reasons, phases and the instances that are there; never
a caller, a conversation or a text. Knows nothing about where the figures come from.
"""

from dataclasses import dataclass
from typing import Literal

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Of OpenTelemetry's conventions for `gen_ai.server.request.duration`."""
QUEUE_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
ERROR_SECONDS = (-20.0, -5.0, -2.0, -1.0, -0.5, -0.1, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0)
LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name as Prometheus shows it, and what a stranger has to know of it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Read from the pool when somebody asks, all at one instant.
OFFERED = Metric(
    "tidegate_calls_offered_total",
    "counter",
    "Calls that came. Equals the calls that ended, by all outcomes, and those that wait or are "
    "with an instance.",
    ("lane",),
)
ENDED = Metric(
    "tidegate_calls_ended_total",
    "counter",
    "Calls that are over, by how they ended: full, degraded (answered in short), shed, expired "
    "(their own deadline passed), cancelled (the caller hung up), failed.",
    ("lane", "outcome"),
)
SHED = Metric(
    "tidegate_calls_shed_total",
    "counter",
    "Calls that were turned away, by reason; adds up to the outcome shed.",
    ("lane", "reason"),
)
DENIED = Metric(
    "tidegate_calls_denied_total",
    "counter",
    "Calls that their caller may not make, by reason: they were turned away at the door and are "
    "counted nowhere else.",
    ("reason",),
)
STALLED = Metric(
    "tidegate_calls_stalled_total",
    "counter",
    "Calls that were ended because they waited for their own caller for too long (limits.stall_s).",
)
BESIDE = Metric(
    "tidegate_calls_answered_beside_total",
    "counter",
    "Calls, among those answered in full, that took no place of their own: shared (an equal call "
    "under way answered them too) or cached. They are counted when they are over.",
    ("lane", "how"),
)
WAITING = Metric("tidegate_calls_waiting", "gauge", "Calls that wait in the lane now.", ("lane",))
IN_FLIGHT = Metric(
    "tidegate_calls_in_flight", "gauge", "Calls of all lanes that are with an instance now."
)
ESTIMATED_WAIT = Metric(
    "tidegate_queue_estimated_wait_seconds",
    "gauge",
    "How long a call that came now would wait, as the balancer estimates it.",
    ("lane",),
)
INSTANCES = Metric(
    "tidegate_instances", "gauge", "Known instances by phase; only hot ones get calls.", ("phase",)
)
INSTANCE_SLOTS = Metric(
    "tidegate_instance_slots",
    "gauge",
    "Calls of the lane that the instance says it takes at once.",
    ("instance", "lane"),
)
INSTANCE_LIMIT = Metric(
    "tidegate_instance_limit",
    "gauge",
    "Calls of the lane that this balancer lets the instance have at once now: its slots, or fewer "
    "while it is fresh or slow.",
    ("instance", "lane"),
)
INSTANCE_IN_FLIGHT = Metric(
    "tidegate_instance_in_flight",
    "gauge",
    "Calls of the lane that this balancer has at the instance now.",
    ("instance", "lane"),
)

# Counted and measured as calls go by.
CALL_DURATION = Metric(
    "tidegate_call_duration_seconds",
    "histogram",
    "From the arrival of a call to its end, waiting included, by how it ended. Without calls that "
    "an equal one answered.",
    ("lane", "outcome"),
    SECONDS,
)
TIME_TO_FIRST_BYTE = Metric(
    "tidegate_time_to_first_byte_seconds",
    "histogram",
    "From the arrival of a call to the first message of its answer, waiting included.",
    ("lane",),
    SECONDS,
)
QUEUE_DURATION = Metric(
    "tidegate_queue_duration_seconds",
    "histogram",
    "How long a call waited until it was first sent; 0 for one that found room at once.",
    ("lane",),
    QUEUE_SECONDS,
)
ESTIMATE_ERROR = Metric(
    "tidegate_queue_estimate_error_seconds",
    "histogram",
    "Of calls that waited and were sent: how much longer they waited than had been estimated when "
    "they came; negative when it was less.",
    ("lane",),
    ERROR_SECONDS,
)
SENDS = Metric(
    "tidegate_sends_total",
    "counter",
    "Sends to instances that are over, by how they ended. Those that were lost (the transport "
    "broke before the first byte) or refused (no slot was free) did not end their call.",
    ("lane", "outcome"),
)
RESENDS = Metric(
    "tidegate_resends_total",
    "counter",
    "Calls that were sent once more after an instance lost or refused them.",
    ("lane", "after"),
)
LIMIT_CHANGES = Metric(
    "tidegate_limit_changes_total",
    "counter",
    "Times that the limit of an instance was narrowed, or widened again.",
    ("lane", "direction"),
)
EJECTIONS = Metric(
    "tidegate_ejections_total",
    "counter",
    "Times that an instance was left alone because it could not be reached.",
)
DEGRADED_SWITCHES = Metric(
    "tidegate_degraded_switches_total",
    "counter",
    "Times that the balancer began (on) or ceased (off) to answer chats in short.",
    ("to",),
)
LOOP_LAG = Metric(
    "tidegate_event_loop_lag_seconds",
    "histogram",
    "How late the balancer's own event loop ran, measured fifty times a second.",
    (),
    LAG_SECONDS,
)
BUILD_INFO = Metric("tidegate_build_info", "gauge", "1, for the release.", ("version",))

CATALOGUE = tuple(each for each in globals().values() if isinstance(each, Metric))

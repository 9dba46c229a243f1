"""Names every metric of the server, and says what it means: the one source of docs/telemetry.md.

Where the field has a name for the same thing, it is that one: those of OpenTelemetry's conventions
(`gen_ai.server.*`) and of vLLM (`vllm:…`), so that dashboards and autoscalers made for
other servers read this one too. Labels take few values: lanes, reasons, endings.
"""

from dataclasses import dataclass
from typing import Literal

# Buckets: those that OpenTelemetry's conventions advise for each.
DURATION_S = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
QUEUE_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name as Prometheus shows it, and what a stranger has to know of it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Read from the engine and the admission when somebody asks.
RUNNING = Metric("vllm:num_requests_running", "gauge", "Sequences that hold a slot of the engine.")
WAITING = Metric("vllm:num_requests_waiting", "gauge", "Sequences that wait for a slot.")
ENGINE_SLOTS = Metric("tidegate_server_slots", "gauge", "Slots of the engine's cache.")
FREE_SLOTS = Metric(
    "tidegate_server_slots_free", "gauge", "Slots of the engine's cache that nobody holds."
)
STEPS = Metric("tidegate_server_steps_total", "counter", "Steps that the model has run.")
COMPUTED = Metric(
    "tidegate_server_computed_tokens_total", "counter", "Tokens that went through the model."
)
CACHED = Metric(
    "tidegate_server_cached_tokens_total",
    "counter",
    "Tokens of prompts that were found in the cache and not computed again.",
)
SEQUENCES = Metric(
    "tidegate_server_sequences_ended_total",
    "counter",
    "Sequences that left the engine, by how: finished, cancelled (their caller left, or their "
    "deadline passed), failed.",
    ("ending",),
)
LANE_SLOTS = Metric(
    "tidegate_server_lane_slots", "gauge", "Calls of the lane that are taken at once.", ("lane",)
)
LANE_IN_FLIGHT = Metric(
    "tidegate_server_lane_in_flight",
    "gauge",
    "Calls of the lane that are being answered.",
    ("lane",),
)
BUILD_INFO = Metric("tidegate_server_build_info", "gauge", "1, for the release.", ("version",))

# Counted and measured as calls go by.
DURATION = Metric(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    "From the arrival of a call to its end. error_type is empty for an answer, else the reason "
    "that the caller was told, or CANCELLED for a caller who hung up.",
    ("lane", "error_type"),
    DURATION_S,
)
REFUSED = Metric(
    "tidegate_server_calls_refused_total",
    "counter",
    "Calls that came to a hot instance and ended without an answer, by the reason they were told.",
    ("lane", "reason"),
)
STALLED = Metric(
    "tidegate_server_calls_stalled_total",
    "counter",
    "Calls that were ended because they waited for their own caller for too long (limits.stall_s).",
)
QUEUE = Metric(
    "vllm:request_queue_time_seconds",
    "histogram",
    "How long a sequence waited for its first step: for a slot, and for the step before to end.",
    (),
    QUEUE_S,
)
FIRST_TOKEN = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "From when a reply was asked of the engine to its first token; for a text that is judged "
    "first, the judging included.",
    (),
    FIRST_TOKEN_S,
)
PER_TOKEN = Metric(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    "Mean time between the tokens of a reply, after the first.",
    (),
    PER_TOKEN_S,
)
PROMPT_TOKENS = Metric("vllm:prompt_tokens_total", "counter", "Tokens of prompts, cached included.")
WRITTEN_TOKENS = Metric("vllm:generation_tokens_total", "counter", "Tokens of replies.")

CATALOGUE = tuple(each for each in globals().values() if isinstance(each, Metric))

"""A change of state that is worth a log line. Knows nothing about logs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """Which instance, from what to what, and why."""

    instance_id: str
    before: str
    after: str
    reason: str

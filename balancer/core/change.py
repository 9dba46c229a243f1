"""A change of state that is worth a log line. Knows nothing about logs."""

from dataclasses import dataclass

FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Change:
    """Of which instance, or of the `FLEET` as a whole, from what to what, and why."""

    instance_id: str
    before: str
    after: str
    reason: str

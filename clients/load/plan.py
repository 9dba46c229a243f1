"""What a load is: who calls, how often, for how long, with what patience; and as a line between processes.

Knows nothing about how it is put on anybody.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


class Method(str, Enum):
    """What a call asks for."""

    SENTIMENT = "sentiment"
    CHAT = "chat"
    JUDGE = "judge"

    @property
    def lane(self) -> str:
        """The lane that the balancer puts it in."""
        return "sentiment" if self is Method.SENTIMENT else "chat"


LANES = ("sentiment", "chat")


@dataclass(frozen=True, slots=True)
class Step:
    """So many calls a second, for so long."""

    rate: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call of a trace; what is None is drawn or taken from the plan."""

    at_s: float
    method: Method | None = None
    text: str | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole load. A trace, where there is one, says when calls come, and the steps don't.

    shares: of each method, in any unit. deadlines_s: of each method.
    texts: what is said in place of our own sentences.
    """

    address: str
    steps: tuple[Step, ...]
    shares: dict[Method, float]
    deadlines_s: dict[Method, float]
    reply_tokens: int | None = None
    trace: tuple[Recorded, ...] = ()
    texts: tuple[str, ...] = ()
    seed: int = 1
    processes: int = 2
    channels: int = 4
    tls: dict[str, str | None] | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def lasts_s(self) -> float:
        """From the first moment to the last in which a call may come."""
        if self.trace:
            return max(each.at_s for each in self.trace)
        return sum(step.lasts_s for step in self.steps)

    def as_line(self) -> str:
        """On one line; `plan_of` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)


def plan_of(line: str) -> Plan:
    """The plan on a line."""
    said: dict[str, Any] = json.loads(line)
    trace = (
        Recorded(**{**each, "method": each["method"] and Method(each["method"])})
        for each in said["trace"]
    )
    return Plan(
        **{
            **said,
            "steps": tuple(Step(**step) for step in said["steps"]),
            "shares": {Method(name): share for name, share in said["shares"].items()},
            "deadlines_s": {Method(name): s for name, s in said["deadlines_s"].items()},
            "trace": tuple(trace),
            "texts": tuple(said["texts"]),
        }
    )

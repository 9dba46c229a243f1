"""The plan: which loads are put on every system.

Loads are multiples of what the fleet was measured to answer. Knows nothing of systems.
"""

from dataclasses import dataclass

from benchmarks.overload.figures import Window
from benchmarks.overload.load import Load
from benchmarks.overload.systems import CHAT_DEADLINE_S
from benchmarks.overload.traffic import Callers, Lane

LABEL_DEADLINE_S = 5.0
REPLY_TOKENS = 20.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a run is, and from when on it counts: by then queues are full."""

    warm_up_s: float
    duration_s: float

    @property
    def window(self) -> Window:
        """The part that counts."""
        return Window(self.warm_up_s, self.duration_s)


FULL = Scale(warm_up_s=8.0, duration_s=24.0)
QUICK = Scale(warm_up_s=1.0, duration_s=3.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Chats at so many times the fleet's capacity, beside a steady stream of labels."""

    name: str
    what: str
    times: float
    labels: float = 20.0

    def load(self, chats_per_s: float, scale: Scale) -> Load:
        """Return the load on a fleet that answers so many chats a second."""
        return Load(
            (
                Callers(Lane.SENTIMENT, ((0.0, self.labels),), LABEL_DEADLINE_S),
                Callers(
                    Lane.CHAT,
                    ((0.0, self.times * chats_per_s),),
                    CHAT_DEADLINE_S,
                    reply_tokens=REPLY_TOKENS,
                ),
            ),
            scale.duration_s,
        )


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("0.8x", "four fifths of the chats that the fleet can answer", 0.8),
    Scenario("2x", "twice the chats", 2.0),
    Scenario("5x", "five times the chats", 5.0),
    Scenario("10x", "ten times the chats", 10.0),
    Scenario("flood", "twelve times the chats, and twice the labels", 12.0, labels=40.0),
)

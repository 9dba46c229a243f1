"""Plans what is lost when: a blow a minute, drawn from a seed.

Pure. Knows nothing of processes; who carries it out finds the victim by `chance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random


class Kind(Enum):
    """A kind of part."""

    INSTANCE = "instance"
    BALANCER = "balancer"
    CONSUL = "consul"
    WEB = "web"


class How(Enum):
    """What is done to it."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"


@dataclass(frozen=True, slots=True)
class Blow:
    """One part hit, `at_s` after the start. `chance` (0 to 1) picks among those of its kind; a stop lasts `for_s`."""

    at_s: float
    kind: Kind
    how: How
    chance: float
    for_s: float = 0.0


# In the first half Consul, the page, one balancer and some instances are spared, so that processes of every kind live long
# enough for a slope; in the second half anything may be hit but those instances.
_FIRST_HALF = {Kind.INSTANCE: 3.0, Kind.BALANCER: 1.5}
_SECOND_HALF = {Kind.INSTANCE: 3.0, Kind.BALANCER: 2.0, Kind.CONSUL: 1.5, Kind.WEB: 1.5}
_TWO_AT_ONCE = 0.25
_STOPS = 0.3
_STOP_S = (2.0, 8.0)
# Where in a minute: the rest of it is for the way back.
_FROM, _TO = 0.1, 0.4


def plan(lasts_s: float, every_s: float, seed: int) -> Iterator[Blow]:
    """Yield the blows of a run in order, one or two of each `every_s`. The last of these periods has none.

    Two at once never are both balancers: callers have been told to keep two, and to look before the second.
    """
    rng = Random(f"mischief {seed}")
    periods = int(lasts_s / every_s + 0.5)
    for period in range(periods - 1):
        at_s = (period + rng.uniform(_FROM, _TO)) * every_s
        shares = _FIRST_HALF if at_s < lasts_s / 2 else _SECOND_HALF
        hit: list[Kind] = []
        for _ in range(2 if rng.random() < _TWO_AT_ONCE else 1):
            (kind,) = rng.choices(list(shares), list(shares.values()))
            if kind is Kind.INSTANCE or kind not in hit:
                hit.append(kind)
        for kind in hit:
            how = How.STOP if rng.random() < _STOPS else How.KILL
            # So that it is over before the next one comes.
            for_s = min(rng.uniform(*_STOP_S), every_s / 3) if how is How.STOP else 0.0
            yield Blow(at_s, kind, how, rng.random(), for_s)

"""Keeps account of the callers' side: every call that began, how it ended, and every attempt that went out for it.

The room that it takes doesn't grow with the calls. Knows nothing of balancers, and reads no clock.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.soak.ending import End, Kind

LANES = ("sentiment", "chat")
# To the hundredth of a second: a few thousand numbers at most, however many calls.
_STEPS_A_SECOND = 100
HEARD_S = 0.5


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one lane so far.

    Of those that ended, `broken` had no word from a balancer but a failure of the transport: nobody may have heard of them. `left` had none because their
    caller's time was over or he hung up: nobody may have heard of them where something stood still. `early` are those that were left within HEARD_S: nor of them on
    a busy machine, for a call that is over before it is taken up is dropped by gRPC itself.
    """

    begun: int = 0
    ended: int = 0
    broken: int = 0
    left: int = 0
    early: int = 0

    def since(self, before: "Attempts") -> "Attempts":
        """What has come since."""
        return Attempts(
            self.begun - before.begun,
            self.ended - before.ended,
            self.broken - before.broken,
            self.left - before.left,
            self.early - before.early,
        )


@dataclass(slots=True)
class Book:
    """Calls by kind and end, attempts by lane."""

    ends: dict[Kind, Counter[End]] = field(
        default_factory=lambda: {kind: Counter() for kind in Kind}
    )
    begun: Counter[Kind] = field(default_factory=Counter)
    attempts: dict[str, Attempts] = field(default_factory=lambda: dict.fromkeys(LANES, Attempts()))
    errors: list[str] = field(default_factory=list)
    """What the account itself has found wrong."""
    _open: dict[int, Kind] = field(default_factory=dict)
    _took: dict[Kind, Counter[int]] = field(
        default_factory=lambda: {kind: Counter() for kind in Kind}
    )
    _numbers: int = 0

    def begin(self, kind: Kind) -> int:
        """Note that a call begins; returns its number."""
        self._numbers += 1
        self._open[self._numbers] = kind
        self.begun[kind] += 1
        return self._numbers

    def end(self, number: int, end: End, took_s: float) -> None:
        """Note how it ended. A second end is an error of ours or of the client's, and is noted as one."""
        kind = self._open.pop(number, None)
        if kind is None:
            self.errors.append(f"call {number} ended once more, {end.value}")
            return
        self.ends[kind][end] += 1
        if end in (End.FULL, End.SHORT):
            self._took[kind][round(took_s * _STEPS_A_SECOND)] += 1

    @property
    def unaccounted(self) -> int:
        """Calls that began and have not ended."""
        return len(self._open)

    def begin_attempt(self, lane: str) -> None:
        """Note that an attempt goes out."""
        self._add(lane, Attempts(begun=1))

    def end_attempt(self, lane: str, took_s: float, *, broken: bool, left: bool) -> None:
        """Note that one ended, and whether without a word."""
        early = left and took_s < HEARD_S
        self._add(lane, Attempts(0, 1, int(broken), int(left), int(early)))

    def _add(self, lane: str, more: Attempts) -> None:
        so_far = self.attempts[lane]
        self.attempts[lane] = Attempts(
            so_far.begun + more.begun,
            so_far.ended + more.ended,
            so_far.broken + more.broken,
            so_far.left + more.left,
            so_far.early + more.early,
        )

    def snapshot(self) -> Mapping[str, Attempts]:
        """The attempts as they stand."""
        return dict(self.attempts)

    def percentile_s(self, kind: Kind, share: float) -> float | None:
        """The time within which a share (0 to 1) of the answers had come; None without any."""
        times = self._took[kind]
        left = share * sum(times.values())
        for step in sorted(times):
            left -= times[step]
            if left <= 0:
                return step / _STEPS_A_SECOND
        return None

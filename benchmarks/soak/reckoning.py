"""Holds the callers' account against the balancers': at a look, and from look to look.

At any instant as many attempts are under way as balancers have calls; between two looks at the same balancers, as many began as came. Where
something was stopped or a connection lost between, attempts that ended without a word may never have come. And a balancer that was killed takes its counts since
the last look with it: then it can only be said how many attempts nobody else has counted, and that there were no more than callers made. Pure arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.soak.book import LANES, Attempts
from benchmarks.soak.look import Status

Lives = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Both sides at one instant: lives of balancers by process, their statuses, the callers' attempts."""

    at_s: float
    lives: Lives
    statuses: tuple[Status, ...]
    attempts: Mapping[str, Attempts]

    def under_way(self, lane: str) -> int:
        """Calls that balancers have."""
        return sum(each.lanes[lane].under_way for each in self.statuses)

    def offered(self, lane: str) -> int:
        """Calls that ever came to those who live."""
        return sum(each.lanes[lane].offered for each in self.statuses)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on the wire between the two sides."""
        return all(
            self.attempts[lane].begun - self.attempts[lane].ended == self.under_way(lane)
            for lane in LANES
        )


@dataclass(slots=True)
class Reckoning:
    """From look to look. `wrong` names each disagreement."""

    exact: int = 0
    exact_calls: int = 0
    bounded: int = 0
    bounded_calls: int = 0
    uncounted: int = 0
    """Attempts that balancers which were killed took with them."""
    unsettled: int = 0
    wrong: list[str] = field(default_factory=list)
    _last: Account | None = None

    @property
    def since_s(self) -> float:
        """When the last account was taken; nothing that happened before matters to the next."""
        return 0.0 if self._last is None else self._last.at_s

    def take(self, now: Account, *, is_disturbed: bool) -> None:
        """Take in a settled account. `is_disturbed`: a balancer, the page or the whole machine stood still since the last."""
        last, self._last = self._last, now
        if last is None:
            return
        is_same = last.lives == now.lives
        came, missing, broken = 0, 0, 0
        for lane in LANES:
            since = now.attempts[lane].since(last.attempts[lane])
            counted = _came(last, now, lane)
            came, missing = came + since.begun, missing + since.begun - counted
            broken += since.broken
            unheard = since.broken + (since.left if is_disturbed else since.early)
            most = unheard if is_same else since.begun
            if not 0 <= since.begun - counted <= most:
                self.wrong.append(
                    f"{lane}: callers made {since.begun} attempts, balancers count {counted}"
                )
        if is_same and not is_disturbed and not broken and not missing:
            self.exact, self.exact_calls = self.exact + 1, self.exact_calls + came
        else:
            self.bounded, self.bounded_calls = self.bounded + 1, self.bounded_calls + came
            self.uncounted += missing

    def summary(self) -> dict[str, object]:
        """What came of it, as JSON's values."""
        names = (
            "exact",
            "exact_calls",
            "bounded",
            "bounded_calls",
            "uncounted",
            "unsettled",
            "wrong",
        )
        return {name: getattr(self, name) for name in names}


def _came(last: Account, now: Account, lane: str) -> int:
    """Calls that came from one account to the other, as those count them who are alive at the second."""
    before = {
        life: status.lanes[lane].offered
        for life, status in zip(last.lives, last.statuses, strict=True)
    }
    return sum(
        status.lanes[lane].offered - before.get(life, 0)
        for life, status in zip(now.lives, now.statuses, strict=True)
    )

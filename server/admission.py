"""Decides whether a call may start: a free slot of its lane, or a refusal before any work.

The server has the last word on its slots, because several balancers may share it. Takes the
time and the randomness as arguments; knows nothing of gRPC or of the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.server.lane import Lane
from tidegate.server.recent import Lately, Recent
from tidegate.server.refusal import LONGEST_PUSHBACK_S, Reason, Refusal

# What a call is taken to last until one has been seen.
_FIRST_GUESS_S = {Lane.SENTIMENT: 0.2, Lane.CHAT: 5.0, Lane.DEGRADED: 0.2}
# Weight of the newest call in the moving mean: about the last ten count.
_NEWEST = 0.2
_SHORTEST_PUSHBACK_S = 0.02
# An instance that leaves is replaced by the next best one at once, so the hint is short.
_DRAINING_PUSHBACK_S = 0.2


@dataclass(slots=True)
class _LaneState:
    slots: int
    in_flight: int
    mean_s: float


class Permit:
    """The right to one call. Give it back exactly once, however the call ends."""

    __slots__ = ("_admission", "_lane", "_started_s")

    def __init__(self, admission: "Admission", lane: Lane, started_s: float) -> None:
        self._admission: Admission | None = admission
        self._lane = lane
        self._started_s = started_s

    def give_back(self, now_s: float) -> None:
        """Free the slot; a second time does nothing."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._take_back(self._lane, self._started_s, now_s)


class Admission:
    """Slots by lane, and whether new calls are taken at all."""

    def __init__(self, slots: Mapping[Lane, int]) -> None:
        self._lanes = {
            lane: _LaneState(count, 0, _FIRST_GUESS_S[lane]) for lane, count in slots.items()
        }
        self._recent = Recent(self._lanes)
        self._is_open = True

    def offer(self, lane: Lane, *, now_s: float, jitter: float) -> Permit | Refusal:
        """Return the permit for a call that starts now, or why there is none.

        `jitter` is a random number from 0 to 1 that lengthens the hint, so that the refused
        don't come back together. `lane` must be one of this instance's lanes.
        """
        state = self._lanes[lane]
        if not self._is_open:
            return self.refuse_draining()
        if state.in_flight >= state.slots:
            # With n slots busy, one comes free every mean / n on average.
            wait_s = max(_SHORTEST_PUSHBACK_S, state.mean_s / max(state.slots, 1))
            return Refusal(
                Reason.SLOTS_TAKEN,
                f"all {state.slots} {lane.value} slots of this instance are taken",
                pushback_s=min(wait_s * (1 + jitter), LONGEST_PUSHBACK_S),
                facts={
                    "lane": lane.value,
                    "est_wait_ms": str(round(wait_s * 1000)),
                    "queue_depth": "0",
                    "instances": "1",
                },
            )
        self._hold(lane, 1, now_s)
        return Permit(self, lane, now_s)

    def close(self) -> None:
        """Take no more calls: from now on every offer is answered by DRAINING."""
        self._is_open = False

    def refuse_draining(self) -> Refusal:
        """Return the refusal of a call that comes to an instance which is going away."""
        return Refusal(
            Reason.DRAINING, "this instance is going away", pushback_s=_DRAINING_PUSHBACK_S
        )

    def slots(self, lane: Lane) -> int:
        """Return how many calls of `lane` are taken at once."""
        return self._lanes[lane].slots

    def in_flight(self, lane: Lane) -> int:
        """Return how many calls of `lane` are being answered."""
        return self._lanes[lane].in_flight

    @property
    def utilization(self) -> dict[str, float]:
        """How full each lane is, 0 to 1, by its name; a lane without slots is full."""
        return {
            lane.value: state.in_flight / state.slots if state.slots else 1.0
            for lane, state in self._lanes.items()
        }

    def lately(self, now_s: float) -> Lately:
        """Return how many calls ended a second over the last seconds, and how full the fullest lane was."""
        return self._recent.lately(now_s)

    @property
    def is_idle(self) -> bool:
        """Whether no call is being answered."""
        return all(state.in_flight == 0 for state in self._lanes.values())

    def _take_back(self, lane: Lane, started_s: float, now_s: float) -> None:
        state = self._lanes[lane]
        state.mean_s += _NEWEST * (now_s - started_s - state.mean_s)
        self._hold(lane, -1, now_s)
        self._recent.note_end(now_s)

    def _hold(self, lane: Lane, more: int, now_s: float) -> None:
        state = self._lanes[lane]
        state.in_flight += more
        self._recent.fill(lane, state.in_flight / state.slots, now_s)

    def __repr__(self) -> str:
        lanes = ", ".join(
            f"{lane.value} {state.in_flight}/{state.slots}" for lane, state in self._lanes.items()
        )
        return f"<Admission {'open' if self._is_open else 'closed'} | {lanes}>"

"""One simulated instance: slots with the last word, an engine that all running calls share, and mishaps.

Progress is kept in engine seconds, a clock that runs slower the more is running and stands still while the
instance hangs, so that an end is computed once and not at every step. Knows nothing about the pool.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.simulation.clock import Clock, Event, Rank
from tidegate.balancer.simulation.work import Engine, Work

HOP_S = 0.001
"""One way over the network: when a refusal or a loss is known."""


@dataclass(slots=True, eq=False)
class Run:
    """One call on an instance. `on_end` hears how it ended, unless it is stopped before."""

    lane: Lane
    work: Work
    on_end: Callable[[Outcome], None] | None
    begins_at: float = 0.0
    ends_at: float = 0.0

    def end(self, outcome: Outcome) -> None:
        """Tell the end, once."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end(outcome)


@dataclass(slots=True, eq=False)
class Machine:
    """An instance that answers, refuses, loses, hangs or is dead."""

    name: str
    slots: dict[Lane, int]
    engine: Engine
    clock: Clock
    rng: Random
    is_alive: bool = True
    is_draining: bool = False
    speed: float = 1.0
    """1 is normal, 0 hangs."""
    loses: float = 0.0
    """Share of calls that are lost on the way."""
    running: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    most: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    refused: int = 0
    _runs: list[tuple[float, int, Run]] = field(default_factory=list)
    _engine_s: float = 0.0
    _since_s: float = 0.0
    _next: Event | None = None
    _numbers: int = 0

    def start(self, lane: Lane, work: Work, on_end: Callable[[Outcome], None]) -> Run:
        """Take a call in, or say after a hop that it can't be."""
        run = Run(lane, work, on_end)
        if not self.is_alive or (self.loses and self.rng.random() < self.loses):
            self._tell(run, Outcome.LOST)
        elif self.is_draining or self.running[lane] >= self.slots.get(lane, 0):
            self.refused += 1
            self._tell(run, Outcome.REFUSED)
        else:
            self._begin(run)
        return run

    def stop(self, run: Run) -> None:
        """The caller left: at the next step the slot is free. Says nothing to `on_end`."""
        run.on_end = None
        if not run.ends_at:
            return
        self._pass_time()
        left = self._engine_s + self._step_s() * self.rng.random()
        if left < run.ends_at:
            run.ends_at = left
            self._put(run)
            self._plan()

    def change(self, *, speed: float) -> None:
        """Run at another speed from now on."""
        self._pass_time()
        self.speed = speed
        self._plan()

    def die(self) -> None:
        """Lose everything that runs. Replies whose first token was out are cut."""
        self._pass_time()
        self.is_alive = False
        runs, self._runs = self._runs, []
        self.running = dict.fromkeys(Lane, 0)
        self._plan()
        for ends_at, _, run in runs:
            if ends_at == run.ends_at:
                run.ends_at = 0.0
                answering = run.lane is Lane.CHAT and self._engine_s > run.begins_at
                run.end(Outcome.CUT if answering else Outcome.LOST)

    def _begin(self, run: Run) -> None:
        self._pass_time()
        # A newcomer enters at the next step.
        enters_in = self._step_s() * self.rng.random() if self._runs else 0.0
        run.begins_at = self._engine_s + enters_in + run.work.prompt_s
        # A degraded answer is a label and a sentence of the prompt: nothing is written.
        is_written = run.lane is Lane.CHAT
        run.ends_at = run.begins_at + (run.work.reply_s if is_written else 0.0)
        self.running[run.lane] += 1
        self.most[run.lane] = max(self.most[run.lane], self.running[run.lane])
        self._put(run)
        self._plan()

    def _step_s(self) -> float:
        return self.engine.reply_token_s if self.running[Lane.CHAT] else 0.0

    def _put(self, run: Run) -> None:
        self._numbers += 1
        heappush(self._runs, (run.ends_at, self._numbers, run))

    def _rate(self) -> float:
        running = self.running
        short = running[Lane.SENTIMENT] + running[Lane.DEGRADED]
        return self.speed / self.engine.slowdown(short, running[Lane.CHAT])

    def _pass_time(self) -> None:
        now = self.clock.now_s
        self._engine_s += (now - self._since_s) * self._rate()
        self._since_s = now

    def _plan(self) -> None:
        """Arm one event for the first end."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        rate = self._rate()
        if self._runs and rate > 0:
            in_s = (self._runs[0][0] - self._engine_s) / rate
            self._next = self.clock.at(self.clock.now_s + in_s, Rank.CALL, self._end_first)

    def _end_first(self) -> None:
        self._pass_time()
        ends_at, _, run = heappop(self._runs)
        self._next = None
        # A run that was stopped stands twice; only its earlier end counts.
        if ends_at == run.ends_at:
            self._engine_s = max(self._engine_s, ends_at)
            self.running[run.lane] -= 1
            run.ends_at = 0.0
            self._plan()
            run.end(Outcome.DEGRADED if run.lane is Lane.DEGRADED else Outcome.FULL)
        else:
            self._plan()

    def _tell(self, run: Run, outcome: Outcome) -> None:
        self.clock.at(self.clock.now_s + HOP_S, Rank.CALL, lambda: run.end(outcome))

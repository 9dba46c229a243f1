"""Says when each call of a plan is due and what it asks: open-loop, so no call waits for another's answer.

Pure and seeded: a plan and the number of a process give the same calls every time. Several processes share a load
without talking: of a Poisson stream each makes its own thinner one (their sum is Poisson again), of a trace every so manieth call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tidegate.clients.load.plan import Method, Plan, Step
from tidegate.clients.load.sentences import QUESTIONS, REVIEWS, varied


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that is due `at_s` after the start."""

    at_s: float
    method: Method
    text: str
    deadline_s: float


def arrivals(plan: Plan, process: int) -> Iterator[Arrival]:
    """The calls that one process of the plan makes, from 0, in their order."""
    rng = Random(f"{plan.seed} {process}")  # noqa: S311
    if plan.trace:
        in_order = sorted(plan.trace, key=lambda each: each.at_s)
        for each in in_order[process :: plan.processes]:
            drawn = _drawn(plan, each.at_s, each.method, rng)
            yield Arrival(
                each.at_s,
                drawn.method,
                drawn.text if each.text is None else each.text,
                drawn.deadline_s if each.deadline_s is None else each.deadline_s,
            )
    else:
        for at_s in _moments(plan.steps, plan.processes, rng):
            yield _drawn(plan, at_s, None, rng)


def _moments(steps: tuple[Step, ...], processes: int, rng: Random) -> Iterator[float]:
    begin_s = 0.0
    for step in steps:
        now_s, end_s = begin_s, begin_s + step.lasts_s
        while step.rate and (now_s := now_s + rng.expovariate(step.rate / processes)) < end_s:
            yield now_s
        begin_s = end_s


def _drawn(plan: Plan, at_s: float, method: Method | None, rng: Random) -> Arrival:
    if method is None:
        (method,) = rng.choices(list(plan.shares), list(plan.shares.values()))
    own = plan.texts or (QUESTIONS if method is Method.CHAT else REVIEWS)
    text = varied(rng.choice(own), rng)
    return Arrival(at_s, method, text, plan.deadlines_s[method])

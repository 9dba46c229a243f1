"""The figures of a run: what its callers got, and what the books on its pools say.

Lane figures count the calls that arrived after the warm-up; goodput counts what ended after it. Times are
in seconds, shares go from 0 to 1, goodput is in slot-seconds a second: what the engines would need alone
for the full answers that came in time. Knows nothing about targets.
"""

import math
from collections.abc import Iterable, Sequence

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.simulation.recovery import recovery_s, served
from tidegate.balancer.simulation.result import Result as Run
from tidegate.balancer.simulation.visit import OnShed, Result, Visit

HOUR_S = 3600.0
LATE = 0.25
"""The last quarter of a run: by then everything is expected to be over."""


def figures(run: Run) -> dict[str, float]:
    """All figures by name; nan where nothing was measured."""
    scenario = run.scenario
    measured = [visit for visit in run.visits if visit.born_s >= scenario.warm_up_s]
    span_s = scenario.duration_s - scenario.warm_up_s
    found: dict[str, float] = {}
    for lane in QUEUES:
        of_lane = [visit for visit in measured if visit.lane is lane]
        for name, value in _lane_figures(of_lane).items():
            found[f"{lane.value}_{name}"] = value
        found[f"{lane.value}_goodput"] = _goodput(run, lane) / span_s
    found["goodput"] = sum(found[f"{lane.value}_goodput"] for lane in QUEUES)
    found["in_time"] = _share(visit.is_in_time for visit in measured)
    found["p95_s"] = percentile(_times_s(measured), 0.95)
    found |= _pool_figures(run) | _retry_figures(measured) | _recovery_figures(run)
    return found | _scale_figures(run)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them don't exceed; nan for none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def _lane_figures(visits: Sequence[Visit]) -> dict[str, float]:
    ended = {result: sum(visit.result is result for visit in visits) for result in Result}
    times_s = _times_s(visits)
    waits_s = [visit.sent_s - visit.born_s for visit in visits if visit.sent_s is not None]
    return {
        "offered": len(visits),
        **{result.value: float(count) for result, count in ended.items()},
        "answered": _share(visit.result in (Result.FULL, Result.DEGRADED) for visit in visits),
        "in_time": _share(visit.is_in_time for visit in visits),
        "wait_p50_s": percentile(waits_s, 0.5),
        "wait_p99_s": percentile(waits_s, 0.99),
        "p50_s": percentile(times_s, 0.5),
        "p95_s": percentile(times_s, 0.95),
        "p99_s": percentile(times_s, 0.99),
        "slowest_s": max(times_s, default=math.nan),
    }


def _times_s(visits: Sequence[Visit]) -> list[float]:
    """How long those who got an answer waited for all of it."""
    answered = (Result.FULL, Result.DEGRADED)
    return [visit.ended_s - visit.born_s for visit in visits if visit.result in answered]


def _goodput(run: Run, lane: Lane) -> float:
    """Slot-seconds of the full answers in time that came between warm-up and end."""
    begin_s, end_s = run.scenario.warm_up_s, run.scenario.duration_s
    return sum(
        visit.work.total_s
        for visit in run.visits
        if visit.lane is lane and visit.is_in_time and begin_s <= visit.ended_s <= end_s
    )


def _pool_figures(run: Run) -> dict[str, float]:
    books = [sidecar.witness for sidecar in run.sidecars]
    let_in = sum(book.let_in for book in books)
    share_s = sum(book.share.all_total_s for book in books)
    chat_s = sum(book.share.all_chat_s for book in books)
    by_balancer = [0.0] * len(books)
    for visit in run.visits:
        if visit.result is Result.FULL:
            by_balancer[visit.balancer] += visit.work.total_s
    return {
        "violations": sum(book.violation_count for book in books),
        "inversions": sum(book.inversions for book in books),
        "over_admissions": sum(book.over_admissions for book in books)
        + sum(each.most[lane] > each.slots.get(lane, 0) for each in run.machines for lane in Lane),
        "refusals": sum(machine.refused for machine in run.machines),
        "let_in_and_expired": sum(book.let_in_and_expired for book in books) / max(let_in, 1),
        "timeout_error_p99_s": percentile(
            [error for book in books for error in book.timeout_errors_s], 0.99
        ),
        "chat_share": chat_s / share_s if share_s else math.nan,
        "chat_share_lowest": min(book.share.lowest for book in books),
        "degrade_switches": sum(sidecar.degrade_switches for sidecar in run.sidecars),
        "unevenness": max(by_balancer) / max(min(by_balancer), 1e-9) - 1.0,
    }


def _retry_figures(visits: Sequence[Visit]) -> dict[str, float]:
    sent = [visit for visit in visits if visit.sends]
    obeying = [visit for visit in visits if visit.manner.on_shed is OnShed.OBEY]
    retries = sum(visit.attempts - 1 for visit in obeying)
    return {
        "sends_per_call": sum(each.sends for each in sent) / len(sent) if sent else math.nan,
        "retries_let_in": sum(each.retries_let_in for each in obeying) / retries
        if retries
        else math.nan,
    }


def _recovery_figures(run: Run) -> dict[str, float]:
    begin_s, end_s = run.scenario.disturbance_s
    whole_s = run.scenario.duration_s
    late = {"late_served": served(run.visits, whole_s * (1.0 - LATE), whole_s)}
    if math.isinf(begin_s):
        return {**late, "recovery_s": math.nan, "recovery_after_queue_s": math.nan}
    calm_s = run.scenario.warm_up_s, begin_s
    usual = max(
        (each.waiting for each in run.samples if calm_s[0] <= each.at_s < begin_s), default=0
    )
    queue_ends_s = next(
        (each.at_s for each in run.samples if each.at_s >= end_s and each.waiting <= usual),
        math.inf,
    )
    recovered_s = end_s + recovery_s(run.visits, calm_s, end_s, run.scenario.duration_s)
    return {
        **late,
        "recovery_s": recovered_s - end_s,
        "recovery_after_queue_s": max(recovered_s - queue_ends_s, 0.0)
        if queue_ends_s < math.inf
        else math.inf,
    }


def _scale_figures(run: Run) -> dict[str, float]:
    """Instance-hours over the whole run; what runs all the time, where nothing is started."""
    always = sum(run.scenario.permanent.values())
    if run.scaling is None:
        hours = always * run.scenario.duration_s / HOUR_S
        return {"instance_hours": hours, "starts": 0.0, "failed_starts": 0.0, "plans": 0.0}
    launcher = run.scaling.launcher
    return {
        "instance_hours": launcher.hours.total_s / HOUR_S,
        "starts": launcher.begun,
        "failed_starts": launcher.failed,
        "plans": len(run.scaling.decisions),
    }


def _share(answers: Iterable[bool]) -> float:
    values = list(answers)
    return sum(values) / len(values) if values else math.nan

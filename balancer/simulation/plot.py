"""Draws a run: load, goodput, waits and lanes over time, one picture, SVG or PNG by the file's name.

The only module that needs matplotlib, which is imported when it is called. Knows nothing about gates.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Phase
from tidegate.balancer.simulation.figures import percentile
from tidegate.balancer.simulation.result import Result as Run
from tidegate.balancer.simulation.visit import Result, Visit

POINTS = 120
"""Windows that the time is cut into."""
_COLOURS = {Lane.SENTIMENT: "#2a9d8f", Lane.CHAT: "#e76f51", Lane.DEGRADED: "#e9c46a"}
_ENDS = {
    Result.FULL: "#2a9d8f",
    Result.DEGRADED: "#e9c46a",
    Result.SHED: "#e76f51",
    Result.EXPIRED: "#9d4edd",
    Result.CANCELLED: "#adb5bd",
    Result.FAILED: "#212529",
}
_PHASES = {Phase.HOT: "#e76f51", Phase.WARMING: "#e9c46a", Phase.DRAINING: "#adb5bd"}


class PlotError(Exception):
    """The picture can't be drawn. The message is one line and says what helps."""


def plot(run: Run, path: Path) -> None:
    """Write the picture. Raises PlotError without matplotlib, or when the file can't be written."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotError("--plot needs matplotlib: pip install 'tidegate[plot]'") from None
    # The same run gives the same file, byte for byte.
    mpl.rcParams["svg.hashsalt"] = run.scenario.title
    # Words stay words: smaller, and can be searched.
    mpl.rcParams["svg.fonttype"] = "none"
    panels = 4 if run.scaling is None else 5
    figure = Figure(figsize=(9, 2.75 * panels), layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True)
    figure.suptitle(run.scenario.title)
    step_s = run.scenario.duration_s / POINTS
    _draw_load(axes[0], run, step_s)
    _draw_ends(axes[1], run, step_s)
    _draw_waits(axes[2], run, step_s)
    _draw_lanes(axes[3], run)
    if run.scaling is not None:
        _draw_phases(axes[4], run)
    axes[-1].set_xlabel("seconds")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlim(0, run.scenario.duration_s)
        axis.legend(loc="upper right", fontsize="small", frameon=False, ncols=3)
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise PlotError(f"--plot {path}: {error}") from None


def _draw_load(axis: Any, run: Run, step_s: float) -> None:
    axis.set_ylabel("slot-seconds a second")
    begins = _windows(step_s)
    offered = _sums(run.visits, step_s, lambda visit: visit.born_s, lambda visit: True)
    given = _sums(run.visits, step_s, lambda visit: visit.ended_s, lambda visit: visit.is_in_time)
    axis.plot(begins, offered, color="#adb5bd", label="offered")
    axis.fill_between(begins, given, color="#2a9d8f", alpha=0.5, label="answered in full, in time")


def _draw_ends(axis: Any, run: Run, step_s: float) -> None:
    lanes = {visit.lane for visit in run.visits}
    lane = Lane.CHAT if Lane.CHAT in lanes else Lane.SENTIMENT
    axis.set_ylabel(f"{lane.value} calls a second, by end")
    counts = {result: [0.0] * POINTS for result in Result}
    for visit in run.visits:
        if visit.lane is lane and visit.result is not None:
            counts[visit.result][min(int(visit.born_s / step_s), POINTS - 1)] += 1.0 / step_s
    seen = [result for result in Result if any(counts[result])]
    axis.stackplot(
        _windows(step_s),
        *(counts[result] for result in seen),
        labels=[result.value for result in seen],
        colors=[_ENDS[result] for result in seen],
    )


def _draw_waits(axis: Any, run: Run, step_s: float) -> None:
    axis.set_ylabel("seconds to the answer, p95")
    for lane in QUEUES:
        times: list[list[float]] = [[] for _ in range(POINTS)]
        for visit in run.visits:
            if visit.lane is lane and visit.result is Result.FULL:
                index = min(int(visit.born_s / step_s), POINTS - 1)
                times[index].append(visit.ended_s - visit.born_s)
        values = [percentile(each, 0.95) for each in times]
        axis.plot(_windows(step_s), values, color=_COLOURS[lane], label=lane.value)


def _draw_lanes(axis: Any, run: Run) -> None:
    axis.set_ylabel("calls")
    moments = [sample.at_s for sample in run.samples]
    for lane in Lane:
        flying = [sample.in_flight[lane] for sample in run.samples]
        if any(flying):
            axis.plot(moments, flying, color=_COLOURS[lane], label=f"{lane.value}, in flight")
    for lane in QUEUES:
        waits = [sample.waits[lane] for sample in run.samples]
        if any(waits):
            axis.plot(moments, waits, color=_COLOURS[lane], ls=":", label=f"{lane.value}, waiting")


def _draw_phases(axis: Any, run: Run) -> None:
    """Instances by phase, and a mark for each plan at the count that it wanted."""
    axis.set_ylabel("instances")
    moments = [sample.at_s for sample in run.samples]
    axis.stackplot(
        moments,
        *([sample.phases[phase] for sample in run.samples] for phase in _PHASES),
        labels=[phase.value for phase in _PHASES],
        colors=_PHASES.values(),
        step="post",
    )
    # Room for the legend.
    axis.set_ylim(
        0, 1.4 * max(sum(each.phases[phase] for phase in _PHASES) for each in run.samples)
    )
    plans = run.scaling.decisions if run.scaling is not None else []
    axis.plot(
        [each.at_s for each in plans],
        [each.plan.count for each in plans],
        color="#212529",
        ls="",
        marker=".",
        ms=4,
        label="planned",
    )


def _windows(step_s: float) -> list[float]:
    return [number * step_s for number in range(POINTS)]


def _sums(
    visits: list[Visit],
    step_s: float,
    at: Callable[[Visit], float],
    counts: Callable[[Visit], bool],
) -> list[float]:
    """Slot-seconds a second by window."""
    sums = [0.0] * POINTS
    for visit in visits:
        index = int(at(visit) / step_s)
        if index < POINTS and counts(visit):
            sums[index] += visit.work.total_s / step_s
    return sums

"""The surge: calls a second go from calm to six times as many and back, through one balancer.

The instances only wait, as long as a label or a reply would take, and are no real servers: those would need the cores
that the balancer and the load generator need. So this says what one balancer carries, not what a fleet answers.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gate import Sense, percentile
from benchmarks.overload.child import Child, free_port, listens
from benchmarks.overload.ending import Call, End
from benchmarks.overload.gates import held
from benchmarks.overload.load import Driven, Load, Target, drive
from benchmarks.overload.traffic import Callers, Lane
from benchmarks.row import Row

_P95_S = 2.3
_INSTANCES = 2
_CHATS = 0.1
"""Share of the calls that are chats."""
_LABEL_S, _TOKEN_S, _REPLY_TOKENS = 0.15, 0.077, 8.0


@dataclass(frozen=True, slots=True)
class Course:
    """Calls a second before, during and after the surge, and how long each lasts."""

    calm: float
    peak: float
    calm_s: float
    peak_s: float

    @property
    def duration_s(self) -> float:
        """The whole run."""
        return 2 * self.calm_s + self.peak_s

    def rates(self, share: float) -> tuple[tuple[float, float], ...]:
        """The rates of callers who make this share of the calls."""
        after_s = self.calm_s + self.peak_s
        return (
            (0.0, share * self.calm),
            (self.calm_s, share * self.peak),
            (after_s, share * self.calm),
        )


def course(peak: float, *, quick: bool) -> Course:
    """Return the course whose peak is so high; six times what comes before and after."""
    calm_s, peak_s = (1.0, 2.0) if quick else (15.0, 30.0)
    return Course(peak / 6.0, peak, calm_s, peak_s)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of a course, and how much of a core each process took while it lasted."""

    driven: Driven
    cores: dict[str, float]

    def calls(self, lane: Lane) -> list[Call]:
        """The calls of one lane."""
        return [call for call in self.driven.calls if call.lane is lane]


def rows(course: Course, scratch: Path, chart: Path | None, workers: int = 1) -> Iterator[Row]:
    """Run it, draw it, and yield its rows. `workers` balancers share the port."""
    seen = _run(course, scratch, workers)
    name = f"surge-{course.peak:g}" + (f"-{workers}-workers" if workers > 1 else "")
    calls = seen.driven.calls
    peak = [call for call in calls if 0 <= call.at_s - course.calm_s < course.peak_s]
    cores = ", ".join(f"{name} {cores:.0%}" for name, cores in seen.cores.items())
    notes = (
        f"at the peak {_p95(_times(peak)):.2f} s",
        f"{len(peak) / course.peak_s:.0f} calls/s came then",
        f"of a core, over the whole run: {cores}",
        seen.driven.complaint,
    )
    yield held(
        f"{name}-p95",
        f"{course.calm:g} to {course.peak:g} to {course.calm:g} calls a second, P95 of all answers",
        _p95(_times(calls)),
        Sense.AT_MOST,
        _P95_S,
        "s",
        "; ".join(filter(None, notes)),
    )
    labels = seen.calls(Lane.SENTIMENT)
    shed = [call.took_s for call in labels if call.end is End.SHED]
    told = (
        f"; half of the labels shed were told within {percentile(shed, 0.5):.2f} s" if shed else ""
    )
    answered = _times(labels)
    median = f"; a label's p50 {percentile(answered, 0.5):.2f} s" if answered else ""
    yield held(
        f"{name}-labels",
        "labels that were not answered in full",
        float(sum(call.end is not End.FULL for call in labels)),
        Sense.AT_MOST,
        0,
        "labels",
        f"labels: {_ends(labels)}; chats: {_ends(seen.calls(Lane.CHAT))}{median}{told}",
    )
    if chart is not None:
        _draw(calls, course, chart)


def _times(calls: Sequence[Call]) -> list[float]:
    return [call.took_s for call in calls if call.end in (End.FULL, End.DEGRADED)]


def _ends(calls: list[Call]) -> str:
    counts = {end.value: sum(call.end is end for call in calls) for end in End}
    return ", ".join(f"{count} {end}" for end, count in counts.items() if count)


def _p95(values: list[float]) -> float:
    return percentile(values, 0.95) if values else math.nan


def _run(course: Course, scratch: Path, workers: int) -> _Seen:
    with ExitStack() as stack:
        ports = [free_port() for _ in range(_INSTANCES)]
        instances = []
        for port in ports:
            command = [sys.executable, "-m", "benchmarks.overload.instant", str(port)]
            command += [str(_LABEL_S), str(_TOKEN_S)]
            child = stack.enter_context(Child("an instance", command, scratch / "instant.log"))
            child.wait_until(lambda port=port: listens(port))  # type: ignore[misc]
            instances.append(child)
        front = free_port()
        options = ["--port", str(front), "--slow-start-s", "0", "--log-format", "json"]
        options += ["--instances", ",".join(f"127.0.0.1:{port}" for port in ports)]
        options += ["--workers", str(workers)]
        log = scratch / f"surge-balancer-{front}.log"
        command = [sys.executable, "-m", "tidegate.balancer", *options]
        balancer = stack.enter_context(Child("the balancer", command, log))
        says = b"workers listen" if workers > 1 else b"balancer listens"
        balancer.wait_until(lambda: says in log.read_bytes())
        children = {"the balancer": [balancer], "the instances": instances}
        before_s = {name: _cpu_s(those) for name, those in children.items()}
        load = Load(
            (
                Callers(Lane.SENTIMENT, course.rates(1 - _CHATS), 5.0),
                Callers(Lane.CHAT, course.rates(_CHATS), 20.0, reply_tokens=_REPLY_TOKENS),
            ),
            course.duration_s,
        )
        driven = drive(load, Target(f"127.0.0.1:{front}"), scratch / "generator.log")
        cores = {
            name: (_cpu_s(those) - before_s[name]) / course.duration_s
            for name, those in children.items()
        }
        return _Seen(driven, {**cores, "the load generator": driven.cpu})


def _cpu_s(children: Sequence[Child]) -> float:
    return sum(child.cpu_s() for child in children)


def _draw(calls: tuple[Call, ...], course: Course, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    seconds = range(math.ceil(course.duration_s))
    by_second: list[list[Call]] = [[] for _ in seconds]
    for call in calls:
        by_second[int(call.at_s)].append(call)
    figure, (rate, time) = plt.subplots(2, 1, figsize=(9, 5), layout="constrained", sharex=True)
    rate.step(seconds, [len(those) for those in by_second], where="post", color="#335c81")
    rate.set_title("calls a second", fontsize=10, loc="left")
    for lane, colour in ((Lane.SENTIMENT, "#2a7f62"), (Lane.CHAT, "#c8553d")):
        p95_s = [_p95([call.took_s for call in those if call.lane is lane]) for those in by_second]
        time.plot(seconds, p95_s, color=colour, label=f"{lane.value}, p95")
    time.axhline(_P95_S, color="grey", linewidth=0.8, linestyle=":")
    time.set_title("seconds until the end of a call", fontsize=10, loc="left")
    time.set_ylim(bottom=0)
    time.legend(fontsize=8, frameon=False)
    time.set_xlabel("seconds", fontsize=8)
    for pane in (rate, time):
        for side in ("top", "right"):
            pane.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)

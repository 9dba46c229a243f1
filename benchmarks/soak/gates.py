"""What a soak is held to, as rows of a table, from the lines of its journal.

Pure arithmetic; knows nothing of processes.
"""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.gate import Sense
from benchmarks.overload.gates import held
from benchmarks.row import Row, Verdict
from benchmarks.soak.growth import Life, cores, lives
from benchmarks.soak.journal import Line

SLOPE_PERCENT = 1.0
_MOST_MORE = {"fds": 1.0, "threads": 1.0}
_KINDS = ("balancer", "instance", "web", "callers")


def rows(lines: Sequence[Line]) -> Iterator[Row]:
    """Yield every gate; those on growth are absent where nobody lived long enough."""
    summaries = [line for line in lines if line["what"] == "summary"]
    if not summaries:
        yield Row("summary", "", "", Verdict.FAILED, note="the soak did not come to its end")
        return
    summary = summaries[-1]
    yield from _accounts(summary)
    yield from _ends(summary)
    yield from _labels(lines, summary)
    long_lived = list(lives(lines))
    for kind in _KINDS:
        yield from _growth(kind, [life for life in long_lived if life.kind == kind])
    for life in long_lived:
        if life.kind == "consul":
            # Not ours: an agent in -dev mode keeps its log in memory.
            note = f"{life.lasted_s / 60:.0f} min, {life.rss_mb:.0f} MB; not ours, and with -dev its log is kept in memory"
            yield _figure(
                "rss-consul", "memory of Consul, in ten minutes", "%", life.rss_slope, note
            )
    yield from _shown(lines)


def _none(name: str, what: str, count: float, unit: str, note: str = "") -> Row:
    return held(name, what, float(count), Sense.AT_MOST, 0, unit, note)


def _accounts(said: Line) -> Iterator[Row]:
    ends: dict[str, int] = {}
    for of_kind in said["ends"].values():
        for end, count in of_kind.items():
            ends[end] = ends.get(end, 0) + count
    told = ", ".join(f"{count} {end}" for end, count in ends.items() if count)
    missing = abs(said["begun"] - sum(ends.values())) + len(said["errors"])
    yield _none(
        "unaccounted",
        "calls without exactly one end",
        missing,
        "calls",
        "; ".join([f"{said['begun']} began: {told}", *said["errors"][:3]]),
    )
    yield _none(
        "balancer-accounts",
        "calls that a metrics port had nowhere: offered - ended - waiting - in flight",
        said["lost"],
        "calls",
        f"{said['readings']} readings",
    )
    reckoned = said["reckoned"]
    yield _none(
        "both-sides",
        "looks at which callers and balancers counted differently",
        len(reckoned["wrong"]) + reckoned["unsettled"],
        "looks",
        f"{reckoned['exact']} exactly alike, over {reckoned['exact_calls']} calls; {reckoned['bounded']} with a balancer or "
        f"a connection lost between, over {reckoned['bounded_calls']} calls, {reckoned['uncounted']} of which no balancer that "
        f"lives has counted" + "".join(f"; {each}" for each in reckoned["wrong"][:3]),
    )


def _ends(said: Line) -> Iterator[Row]:
    yield _none(
        "busy-slots", "slots, sequences and calls left at instances", said["busy_slots"], "slots"
    )
    codes = said["exit_codes"]
    bad = [f"{name}: {code}" for name, code in codes.items() if code != 0]
    yield _none(
        "clean-ends",
        "balancers and pages that did not end with 0 when asked",
        len(bad) + (not said["is_settled"]),
        "processes",
        "; ".join(bad) or f"{len(codes)} ended well, with nothing under way",
    )


def _labels(lines: Sequence[Line], said: Line) -> Iterator[Row]:
    gaps = _gaps(lines)
    failures = [line for line in lines if line["what"] == "failure"]
    counted = [each for each in failures if not _meets(each, each["took_s"], gaps)]
    asked = sum(said["ends"]["label"].values())
    notes = [f"{asked} labels"]
    if len(failures) > len(counted):
        notes.append(f"{len(failures) - len(counted)} more while the machine stood still")
    notes += [
        f"at {each['at_s']:.0f} s after {each['took_s']:g} s: {each['said']}"
        for each in counted[:3]
    ]
    yield _none("labels", "labels that failed for good", len(counted), "labels", "; ".join(notes))
    for name in ("p50", "p95", "p99"):
        yield _figure(f"label-{name}", "a label, retries included", "s", said[f"label_{name}_s"])


def _gaps(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """From when to when the machine stood still."""
    return [
        (line["at_s"] - line["lasted_s"], line["at_s"]) for line in lines if line["what"] == "gap"
    ]


def _meets(line: Line, took_s: float, gaps: Sequence[tuple[float, float]]) -> bool:
    """Whether what ended there, after so long, was under way when the machine stood still."""
    begin_s = line["at_s"] - took_s
    return any(begin_s < until_s and from_s < line["at_s"] for from_s, until_s in gaps)


def _growth(kind: str, found: Sequence[Life]) -> Iterator[Row]:
    who = "one who calls" if kind == "callers" else f"one {kind}"
    gate = f"≤{SLOPE_PERCENT:g} %"
    if not found:
        note = "none lived for ten minutes"
        yield Row(f"rss-{kind}", f"memory of {who}", "", Verdict.ABSENT, gate=gate, note=note)
        return
    worst = max(found, key=lambda life: life.rss_slope)
    yield held(
        f"rss-{kind}",
        f"memory of {who}, in ten minutes",
        worst.rss_slope,
        Sense.AT_MOST,
        SLOPE_PERCENT,
        "%",
        f"{len(found)} that lived for {min(each.lasted_s for each in found) / 60:.0f} to "
        f"{max(each.lasted_s for each in found) / 60:.0f} min: "
        + ", ".join(f"{each.rss_slope:+.2f} % of {each.rss_mb:.0f} MB" for each in found),
    )
    for what, name in (("descriptors", "fds"), ("threads", "threads")):
        pairs: list[Any] = [getattr(each, what) for each in found]
        yield held(
            f"{name}-{kind}",
            f"{what} of {who}, last third against first",
            max(last - first for first, last in pairs),
            Sense.AT_MOST,
            _MOST_MORE[name],
            "more",
            ", ".join(f"{first:g} → {last:g}" for first, last in pairs),
        )


def _shown(lines: Sequence[Line]) -> Iterator[Row]:
    backs = [line for line in lines if line["what"] == "back"]
    gaps = _gaps(lines)
    # How long it took while the machine stood still says nothing.
    timed = [line for line in backs if not _meets(line, line["after_s"], gaps)]
    missing = [line for line in timed if not line["is_whole"]]
    if backs:
        what = "losses after which not all came back in time"
        yield _none("back", what, len(missing), "losses", f"{len(backs)} losses")
    if timed:
        slowest = max(timed, key=lambda line: line["after_s"])
        yield _figure(
            "back-slowest",
            "until all was there again, at most",
            "s",
            slowest["after_s"],
            f"after {' and '.join(slowest['said'])}; {median(line['after_s'] for line in timed):.1f} s in the median",
        )
    if gaps:
        stood_s = sum(end - begin for begin, end in gaps)
        what = "the machine stood still, with all of it"
        yield _figure("gaps", what, "s", stood_s, f"{len(gaps)} times")
    yield _figure("cores", "what all of it took", "cores", cores(lines))


def _figure(name: str, what: str, unit: str, value: float, note: str = "") -> Row:
    return Row(name, what, "", Verdict.SHOWN, unit, ours=value, note=note)

"""What a soak is held to, as rows of a table, from the lines of its journal.

Pure arithmetic; knows nothing of processes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.gate import Sense
from benchmarks.overload.gates import held
from benchmarks.row import Row, Verdict
from benchmarks.soak.growth import Life, cores, lives
from benchmarks.soak.journal import Line

SLOPE_PERCENT = 1.0
_MOST_MORE = {"fds": 1.0, "threads": 1.0}
_KINDS = ("balancer", "instance", "web", "consul", "callers")


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
    gaps = [
        (line["at_s"] - line["lasted_s"], line["at_s"]) for line in lines if line["what"] == "gap"
    ]
    failures = [line for line in lines if line["what"] == "failure"]
    counted = [each for each in failures if not _meets(each, gaps)]
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
        took_s = said[f"label_{name}_s"]
        yield Row(
            f"label-{name}", "a label's time, retries included", "", Verdict.SHOWN, "s", ours=took_s
        )


def _meets(failure: Line, gaps: Sequence[tuple[float, float]]) -> bool:
    """Whether the call was under way when the machine stood still."""
    begin_s = failure["at_s"] - failure["took_s"]
    return any(begin_s < until_s and from_s < failure["at_s"] for from_s, until_s in gaps)


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
    if backs:
        whole = [line for line in backs if line["is_whole"]]
        yield _none(
            "back",
            "losses after which not all came back in time",
            len(backs) - len(whole),
            "losses",
        )
    if backs and whole:
        slowest = max(whole, key=lambda line: line["after_s"])
        note = f"after {' and '.join(slowest['said'])}; {len(backs)} losses"
        yield Row(
            "back-slowest",
            "until all was there again",
            "",
            Verdict.SHOWN,
            "s",
            ours=slowest["after_s"],
            note=note,
        )
    gaps = [line["lasted_s"] for line in lines if line["what"] == "gap"]
    if gaps:
        yield Row(
            "gaps",
            "seconds in which the machine stood still",
            "",
            Verdict.SHOWN,
            "s",
            ours=sum(gaps),
            note=f"{len(gaps)} times",
        )
    yield Row("cores", "cores that all of it took", "", Verdict.SHOWN, "cores", ours=cores(lines))

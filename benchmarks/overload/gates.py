"""The gates: what the figures of the scenarios are held to, as rows of a table.

Pure arithmetic; knows nothing of processes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.gate import Gate, Sense
from benchmarks.overload.contest import Played, best
from benchmarks.overload.systems import OURS, OURS_FULL, SYSTEMS
from benchmarks.row import Row, Verdict

PROMISE = "the promise"
_TITLES = {system.name: system.title for system in SYSTEMS}
_AT_LEAST = {"2x": 0.95, "5x": 0.93, "10x": 0.90}
# Of the gate on goodput and of that on a shed's time: below them nobody should build on it.
_FLOOR = 0.80


def held(
    name: str, what: str, ours: float, sense: Sense, bound: float, unit: str = "", note: str = ""
) -> Row:
    """Return the row of a figure that must lie on one side of a bound."""
    gate = f"{sense.value}{bound:g} {unit}".strip()
    if math.isnan(ours):
        return Row(name, what, PROMISE, Verdict.ABSENT, unit, gate, note=note or "not measured")
    is_met = Gate(sense, bound).is_met_by(ours)
    verdict = Verdict.MET if is_met else Verdict.MISSED
    ratio = ours / bound if bound else None
    return Row(name, what, PROMISE, verdict, unit, gate, ours, bound, ratio, note=note)


def beside(
    name: str,
    what: str,
    against: str,
    ours: float,
    theirs: float,
    gate: Gate,
    unit: str = "",
    note: str = "",
) -> Row:
    """Return the row of a figure of ours beside the same figure of another."""
    if math.isnan(ours) or math.isnan(theirs):
        return Row(
            name, what, against, Verdict.ABSENT, unit, str(gate), note=note or "not measured"
        )
    if not theirs:
        verdict = Verdict.MISSED if ours else Verdict.MET
        return Row(name, what, against, verdict, unit, str(gate), ours, theirs, note=note)
    ratio = ours / theirs
    verdict = Verdict.MET if gate.is_met_by(ratio) else Verdict.MISSED
    return Row(name, what, against, verdict, unit, str(gate), ours, theirs, ratio, note=note)


def rows(played: Sequence[Played]) -> Iterator[Row]:
    """Yield every gate whose scenario was played."""
    by_scenario: dict[str, dict[str, Played]] = {}
    for each in played:
        by_scenario.setdefault(each.scenario, {})[each.system] = each
    ours = {name: those[OURS] for name, those in by_scenario.items() if OURS in those}
    full = {name: those[OURS_FULL] for name, those in by_scenario.items() if OURS_FULL in those}
    for those, suffix, how in ((full, "", "full answers only"), (ours, "-short", "and short ones")):
        for scenario in (name for name in _AT_LEAST if name in those):
            yield held(
                f"goodput-{scenario}{suffix}",
                f"full answers in time, by slot-seconds, of what the fleet gives at most; {how}",
                100 * those[scenario]["goodput_share"],
                Sense.AT_LEAST,
                100 * _AT_LEAST[scenario],
                "%",
                f"floor {_FLOOR:.0%}",
            )
    yield from _promises(ours, full)
    yield from _comparisons(by_scenario, ours, full)


def _promises(ours: Mapping[str, Played], full: Mapping[str, Played]) -> Iterator[Row]:
    if "flood" in ours:
        yield held(
            "labels-flood",
            "labels answered under twelve times the chats",
            100 * ours["flood"]["sentiment_answered"],
            Sense.AT_LEAST,
            99.9,
            "%",
        )
    for those, suffix in ((full, ""), (ours, "-short")):
        for name, calm, bound in (("label-p99-10x", "0.8x", 1.5), ("label-p99-flat", "2x", 1.1)):
            if {calm, "10x"} <= those.keys():
                yield beside(
                    name + suffix,
                    "a label's p99 at ten times the chats"
                    + (", beside short answers" if suffix else ""),
                    f"itself at {calm}",
                    1000 * those["10x"]["sentiment_p99_s"],
                    1000 * those[calm]["sentiment_p99_s"],
                    Gate(Sense.AT_MOST, bound),
                    "ms",
                )
    if "10x" in ours:
        at_most = ours["10x"]
        yield held(
            "expired-10x",
            "chats whose deadline passed, of all that came",
            100 * at_most["chat_expired"],
            Sense.AT_MOST,
            2,
            "%",
        )
        yield held(
            "shed-p99-10x",
            "how long a shed chat waits to hear so, p99",
            1000 * at_most["chat_shed_p99_s"],
            Sense.AT_MOST,
            10,
            "ms",
            f"p50 {1000 * at_most['chat_shed_p50_s']:.1f} ms, "
            f"{at_most['chat_shed_late']:.1%} of them were let in to wait and shed then; floor 50 ms",
        )


def _comparisons(
    by_scenario: Mapping[str, Mapping[str, Played]],
    ours: Mapping[str, Played],
    full: Mapping[str, Played],
) -> Iterator[Row]:
    goodput, answered = "full answers in time, of capacity", "chats answered, full or in short"
    for those, scenario, name, figure, what, bound in (
        (full, "5x", "full-5x", "goodput_share", goodput, 1.0),
        (ours, "5x", "full-5x-short", "goodput_share", f"{goodput}, beside short ones", 1.0),
        (ours, "5x", "answered-5x", "chat_answered", answered, 1.5),
    ):
        peer = best(_peers(by_scenario, scenario), figure)
        if scenario in those and peer is not None:
            gate = Gate(Sense.AT_LEAST, bound)
            figures = 100 * those[scenario][figure], 100 * peer[figure]
            yield beside(name, what, _TITLES[peer.system], *figures, gate, "%")
    peer = best(_peers(by_scenario, "flood"), "sentiment_p99_s", least=True)
    if "flood" in full and peer is not None:
        yield beside(
            "label-p99-flood",
            "a label's p99 under twelve times the chats",
            _TITLES[peer.system],
            1000 * full["flood"]["sentiment_p99_s"],
            1000 * peer["sentiment_p99_s"],
            Gate(Sense.AT_MOST, 0.5),
            "ms",
        )


def _peers(by_scenario: Mapping[str, Mapping[str, Played]], scenario: str) -> list[Played]:
    those = by_scenario.get(scenario, {}).items()
    return [each for name, each in those if name not in (OURS, OURS_FULL)]

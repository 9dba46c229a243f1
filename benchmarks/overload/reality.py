"""The simulator against reality: the same fleet, callers and settings on both, figure by figure.

Both make their decisions by the same code. What differs is everything around it: gRPC, processes, the steps of an
engine. Knows nothing of other systems.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.gate import Gate, Sense
from benchmarks.overload.contest import Played, work_of
from benchmarks.overload.ending import Call, End
from benchmarks.overload.figures import Work, figures
from benchmarks.overload.fleet import PEERS, Size
from benchmarks.overload.gates import beside
from benchmarks.overload.scenario import SCENARIOS, Scale, Scenario
from benchmarks.overload.systems import OURS
from benchmarks.overload.traffic import Lane
from benchmarks.row import Row, Verdict
from tidegate.balancer.simulation.run import run
from tidegate.balancer.simulation.scenario import Scenario as Simulated
from tidegate.balancer.simulation.visit import Visit
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.simulated import read_latency

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AT_MOST_OFF = 0.15
BOTH_WAYS = ("0.8x", "2x", "5x")
"""The scenarios that are played by the simulator too."""
# A share this small is a handful of calls; its ratio says nothing.
_SMALL = 0.02
# Tokens that no cache holds, as simulated instances count them: the text, what ChatML puts around it, and a
# label's question.
_CHAT_TOKENS = 30 + 20
_LABEL_TOKENS = 30 + 56
# One run is left to chance, as the real one is; these together hardly are.
_SEEDS = range(1, 11)
_FIGURES = {
    "p50": ("chat_full_p50_s", 1000.0, "ms"),
    "p95": ("chat_full_p95_s", 1000.0, "ms"),
    "shed": ("chat_shed", 100.0, "%"),
    "short": ("chat_degraded", 100.0, "%"),
    "label-p50": ("sentiment_p50_s", 1000.0, "ms"),
    "label-p95": ("sentiment_p95_s", 1000.0, "ms"),
}


def engine_table(latency: Latency, label_tokens: int) -> dict[str, float]:
    """Return the simulator's time model that says the same as a latency of steps.

    A row more makes a step longer by `row_s`; a label more also by what it reads. `label_tokens` are
    those that no cache holds. A label is as long as the step that it joins, which is longer for it: for itself as for the
    others, so that its reading is no work of its own. (On an instance without chats it is too short by that.)
    """
    token_s = latency.step_s + latency.row_s
    read_s = label_tokens * latency.prompt_token_s
    return {
        # The first token of a reply comes with the prompt's own step.
        "start_s": token_s,
        "prompt_token_s": latency.prompt_token_s,
        "reply_token_s": token_s,
        "chat_crowding": latency.row_s / token_s,
        "sentiment_crowding": (read_s + latency.row_s) / token_s,
    }


def rows(played: Sequence[Played]) -> Iterator[Row]:
    """Simulate what was played of ours, and yield a row for each figure. Takes seconds."""
    scenarios = {each.name: each for each in SCENARIOS}
    for each in played:
        if each.system == OURS and each.scenario in BOTH_WAYS:
            yield from compare(each, simulate(scenarios[each.scenario], each))


def simulate(scenario: Scenario, played: Played) -> dict[str, float]:
    """Return the simulator's figures of what was played."""
    size = Size()
    latency = read_latency(f"simulated:{size.latency}")
    scale = Scale(played["warm_up_s"], played["duration_s"])
    simulated = Simulated.model_validate(
        {
            "title": scenario.what,
            "duration_s": scale.duration_s,
            "settings": tomllib.loads((PEERS / "tidegate.toml").read_text("utf-8")),
            "engine": engine_table(latency, _LABEL_TOKENS),
            "instances": [
                {
                    "count": size.instances,
                    "sentiment_slots": size.sentiment_slots,
                    "chat_slots": size.chat_slots,
                    "degraded_slots": size.degraded_slots,
                }
            ],
            "traffic": _traffic(scenario, played["capacity_chats_per_s"], scale),
        }
    )
    work = work_of(latency)
    found = [
        figures([_call(visit, work) for visit in run(simulated, seed).visits], work, scale.window)
        for seed in _SEEDS
    ]
    return {
        name: sum(each[name] for each in found) / len(found) for name, _, _ in _FIGURES.values()
    }


def compare(played: Played, simulated: dict[str, float]) -> Iterator[Row]:
    """Yield a row for each figure of a scenario that was played both ways."""
    for name, (figure, scale, unit) in _FIGURES.items():
        real, told = scale * played[figure], scale * simulated[figure]
        row = beside(
            f"reality-{played.scenario}-{name}",
            f"the simulator's {name} at {played.scenario}, against the real one",
            "reality",
            told,
            real,
            Gate(Sense.AT_MOST, 1.0 + AT_MOST_OFF),
            unit,
        )
        if unit == "%" and max(told, real) < 100 * _SMALL:
            row = replace(
                row, verdict=Verdict.MET, ours=told, theirs=real, note="both next to nothing"
            )
        elif row.ratio is not None:
            is_near = abs(row.ratio - 1.0) <= AT_MOST_OFF
            row = replace(row, verdict=Verdict.MET if is_near else Verdict.MISSED)
        yield replace(row, gate=f"±{AT_MOST_OFF:.0%}")


def _traffic(scenario: Scenario, chats_per_s: float, scale: Scale) -> list[dict[str, Any]]:
    return [
        {
            "name": callers.lane.value,
            "lane": callers.lane.value,
            "arrivals": {"pattern": "step", "steps": callers.rates},
            "prompt_tokens": 0 if callers.lane is Lane.SENTIMENT else _CHAT_TOKENS,
            # As many steps follow the prompt's own.
            "reply_tokens": max(callers.reply_tokens - 1.0, 0.0),
            "deadline_s": callers.deadline_s,
        }
        for callers in scenario.load(chats_per_s, scale).callers
    ]


def _call(visit: Visit, work: Work) -> Call:
    result = "failed" if visit.result is None else visit.result.value
    end = End(result) if result in {each.value for each in End} else End.FAILED
    tokens = round(visit.work.total_s / work.token_s)
    return Call(visit.born_s, Lane(visit.lane.value), tokens, end, visit.ended_s - visit.born_s)

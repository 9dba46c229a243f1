"""A gate that nothing can turn red is no gate: without its mechanism, each is missed."""

import pytest

from tidegate.balancer.simulation.gate import Standing
from tidegate.balancer.simulation.library import read
from tidegate.balancer.simulation.switches import Switch

# Which gate falls without which mechanism.
FALLS = {
    Switch.HOLD_BACK: ("sentiment-flood", "inversions"),
    Switch.ARRIVAL_CHECK: ("deadlines", "chat_expired"),
    Switch.FLOOR: ("sentiment-flood", "chat_share_lowest"),
    Switch.EXACT_TIMER: ("queue-times", "timeout_error_p99_s"),
    Switch.RETRY_BUDGET: ("lossy", "sends_per_call"),
    Switch.DEGRADED: ("short-answers", "chat_answered"),
    Switch.SHORT_BUDGET: ("short-beside-full", "goodput"),
    Switch.HYSTERESIS: ("flicker", "degrade_switches"),
    Switch.EJECTION: ("black-hole", "sentiment_in_time"),
    Switch.EJECTION_GUARD: ("outage", "sentiment_in_time"),
    Switch.SCHEDULE: ("nine-oclock", "sentiment_answered"),
    Switch.FORECAST: ("forecast", "sentiment_answered"),
    Switch.SPILLOVER: ("spillover", "chat_wait_p99_s"),
    Switch.ALARM: ("alarm", "chat_in_time"),
    Switch.IDLE_TIME: ("now-and-then", "starts"),
    Switch.BACK_OFF: ("broken-starts", "failed_starts"),
    Switch.WAITING_ROOM: ("from-zero", "sentiment_in_time"),
}


@pytest.mark.parametrize("switch", Switch, ids=lambda switch: switch.value)
def test_a_gate_falls_without_its_mechanism(judge, switch):
    name, figure = FALLS[switch]
    gate = next(gate for gate in read(name).gates if gate.figure == figure)
    found = judge.figures(name, {"without": [switch.value]})
    (judgement,) = judge.judge(name, (gate,), found)
    assert judgement.standing is Standing.MISSED, f"{gate}: {judgement.value:g}"


@pytest.mark.parametrize("switch", Switch, ids=lambda switch: switch.value)
def test_the_mechanism_makes_the_difference(judge, switch):
    name, figure = FALLS[switch]
    gate = next(gate for gate in read(name).gates if gate.figure == figure)
    with_it = judge.figures(name)[figure]
    without_it = judge.figures(name, {"without": [switch.value]})[figure]
    if gate.at_least is not None:
        assert with_it > without_it
    else:
        assert with_it < without_it

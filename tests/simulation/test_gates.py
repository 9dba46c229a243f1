"""Every gate of every scenario that comes along holds, or is known not to, with its figure."""

import pytest

from tidegate.balancer.simulation.gate import Standing
from tidegate.balancer.simulation.library import names, read

TOO_LONG_FOR_A_TEST = {"morning"}
MISSED: dict[str, str] = {}
"""What today's pool doesn't reach, by scenario and gate, with the figure and the reason."""
GATES = [
    pytest.param(
        name,
        number,
        id=f"{name}: {gate}",
        marks=[pytest.mark.xfail(reason=MISSED[f"{name}: {gate}"], strict=True)]
        if f"{name}: {gate}" in MISSED
        else [],
    )
    for name in names()
    if name not in TOO_LONG_FOR_A_TEST
    for number, gate in enumerate(read(name).gates)
]


@pytest.mark.parametrize(("name", "number"), GATES)
def test_the_gate_is_met(judge, name, number):
    gate = read(name).gates[number]
    (judgement,) = judge.judge(name, (gate,), judge.figures(name))
    assert judgement.standing is Standing.MET, (
        f"{gate}: {judgement.value:g}; repeat: tidegate-balancer simulate {name}"
    )


@pytest.mark.parametrize("name", [name for name in names() if name not in TOO_LONG_FOR_A_TEST])
def test_every_call_ends_once_and_every_slot_comes_back(judge, name):
    assert judge.figures(name)["violations"] == 0
    assert judge.figures(name)["over_admissions"] == 0


@pytest.mark.parametrize("seed", range(2, 8))
def test_four_balancers_share_evenly_whatever_the_seed(judge, seed):
    other = type(judge)(seed)
    gates = read("four-balancers").gates
    judged = other.judge("four-balancers", gates, other.figures("four-balancers"))
    assert [str(each.gate) for each in judged if each.standing is not Standing.MET] == []


def test_the_same_seed_gives_the_same_run(judge):
    again = type(judge)()
    assert repr(again.figures("outage")) == repr(judge.figures("outage"))
    other = type(judge)(seed=2)
    assert repr(other.figures("outage")) != repr(judge.figures("outage"))

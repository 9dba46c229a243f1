import json
import sys
from xml.etree import ElementTree

import pytest

from tidegate.balancer.simulation.command import simulate
from tidegate.balancer.simulation.library import names

QUICK = ["outage", "--set", "duration_s=30"]


def test_the_list_names_every_scenario(capsys):
    assert simulate(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in names())


def test_a_run_is_told_with_its_gates_and_how_to_repeat_it(capsys):
    assert simulate([*QUICK, "--seed", "7", "--set", "gates.0.at_least=0.5"]) == 0
    told = capsys.readouterr().out
    assert "sentiment_in_time at least 0.5" in told
    assert "met" in told
    repeat = next(line for line in told.splitlines() if line.startswith("repeat: "))
    assert "simulate outage --seed 7 --set=duration_s=30 --set=gates.0.at_least=0.5" in repeat


def test_a_missed_gate_is_exit_code_3(capsys):
    assert simulate([*QUICK, "--set", "gates.0.at_least=1"]) == 3
    assert "missed" in capsys.readouterr().out


def test_json_is_one_object_and_the_same_every_time(capsys):
    simulate([*QUICK, "--json"])
    first = capsys.readouterr().out
    simulate([*QUICK, "--json"])
    assert capsys.readouterr().out == first
    said = json.loads(first)
    assert said["figures"]["sentiment_offered"] > 0
    assert said["figures"]["chat_p99_s"] is None
    assert said["gates"][0]["gate"] == "sentiment_in_time at least 0.95"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which scenario?"),
        (["no-such"], "no-such: "),
        (["outage", "--seed", "-1"], "--seed"),
        (["outage", "--sed", "1"], "unrecognized arguments"),
        (["outage", "--set", "duration_s"], "'duration_s' is not NAME=VALUE"),
        (["outage", "--set", "duration_s=0"], "duration_s: 0: "),
        ([*QUICK, "--plot", "/no/such/folder/x.svg"], "--plot /no/such/folder/x.svg"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(capsys, arguments, told):
    if "--plot" in arguments:
        pytest.importorskip("matplotlib")
    assert simulate(arguments) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert said.startswith("tidegate-balancer simulate: ")


def test_what_is_started_is_told_with_its_reason(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "starts.svg"
    simulate(["from-zero", "--plot", str(picture)])
    assert "nothing hot; 0 -> 1" in capsys.readouterr().out
    assert ">warming</text>" in picture.read_text("utf-8")
    simulate(["from-zero", "--json"])
    plan = json.loads(capsys.readouterr().out)["plans"][0]
    assert (plan["role"], plan["was"], plan["count"]) == ("both", 0, 1)


def test_of_many_plans_the_first_and_the_last_are_shown(capsys):
    simulate(["now-and-then", "--set", 'without=["idle-time"]'])
    assert "more" in capsys.readouterr().out


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as ending:
        simulate(["--help"])
    assert ending.value.code == 0
    told = capsys.readouterr().out
    assert all(flag in told for flag in ("--json", "--plot", "--seed", "--set", "--list"))


def test_the_picture_is_the_same_every_time(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        simulate([*QUICK, "--plot", str(tmp_path / name)])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


def test_a_picture_without_matplotlib_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert simulate([*QUICK, "--plot", str(tmp_path / "a.svg")]) == 2
    assert "pip install 'tidegate[plot]'" in capsys.readouterr().err

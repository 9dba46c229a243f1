from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.clients.load.arrivals import arrivals
from tidegate.clients.load.plan import Method, Plan, Recorded, Step, plan_of
from tidegate.clients.load.trace import TraceError, read_trace

PLAN = Plan(
    "localhost:1",
    (Step(100, 10), Step(0, 5), Step(1000, 10)),
    {Method.SENTIMENT: 8, Method.CHAT: 1, Method.JUDGE: 1},
    dict.fromkeys(Method, 9.0),
    processes=2,
)


def test_the_processes_together_make_the_steps() -> None:
    coming = [arrival for process in (0, 1) for arrival in arrivals(PLAN, process)]
    by_step = Counter("first" if each.at_s < 10 else "last" for each in coming)
    assert all(not 10 <= each.at_s < 15 for each in coming)
    # Four standard deviations of a Poisson count.
    assert abs(by_step["first"] - 1000) < 4 * 1000**0.5
    assert abs(by_step["last"] - 10_000) < 4 * 10_000**0.5
    shares = Counter(each.method for each in coming)
    assert 0.77 < shares[Method.SENTIMENT] / len(coming) < 0.83


def test_a_process_makes_the_same_calls_every_time_and_no_two_alike() -> None:
    first, again, other = (list(arrivals(PLAN, process)) for process in (0, 0, 1))
    assert first == again
    assert first != other
    assert [each.at_s for each in first] == sorted(each.at_s for each in first)
    assert len({each.text for each in first}) > 0.99 * len(first)


def test_a_trace_is_dealt_out_and_made_as_recorded(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("at_s,method,text,deadline_s\n3,chat,你好,5\n1,,,\n2,judge,,\n", "utf-8")
    plan = replace(PLAN, trace=read_trace(path))
    first, second = (list(arrivals(plan, process)) for process in (0, 1))
    assert [(each.at_s, each.deadline_s) for each in first] == [(1, 9.0), (3, 5)]
    assert (first[1].method, first[1].text) == (Method.CHAT, "你好")
    assert [(each.at_s, each.method) for each in second] == [(2, Method.JUDGE)]
    assert plan.lasts_s == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("time\n1\n", "line 1: there is no column at_s"),
        ("at_s\n1\nsoon\n", "line 3: at_s: 'soon' is not a number of seconds from 0 on"),
        ("at_s\n-1\n", "line 2: at_s: '-1' is not a number of seconds"),
        ("at_s,method\n1,dance\n", "line 2: method: 'dance' is none of sentiment, chat, judge"),
        ("at_s\n", "the file is empty"),
    ],
)
def test_a_wrong_trace_names_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(content)
    with pytest.raises(TraceError, match=said):
        read_trace(path)


def test_a_plan_survives_its_way_to_another_process() -> None:
    plan = replace(PLAN, trace=(Recorded(1.0, Method.CHAT), Recorded(2.0)), texts=("好",))
    assert plan_of(plan.as_line()) == plan

"""The pure parts of the overload benchmark: arrivals, figures, gates, files. The runs are for a person to make."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from benchmarks.gate import Sense
from benchmarks.overload import gates, record, sheet
from benchmarks.overload.contest import Played
from benchmarks.overload.ending import Call, End, end_of
from benchmarks.overload.figures import Window, Work, figures, goodput
from benchmarks.overload.fleet import PEERS, Fleet, Size
from benchmarks.overload.reality import compare, engine_table
from benchmarks.overload.record import Record
from benchmarks.overload.systems import SYSTEMS, fill
from benchmarks.overload.traffic import Callers, Lane, arrivals
from benchmarks.row import Row, Verdict
from tidegate.balancer.core.call import Lane as CoreLane
from tidegate.balancer.simulation.work import Engine
from tidegate.server.engine.batch import Batch
from tidegate.server.engine.batch import Row as BatchRow
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.sequence import Sampling, Write

ROOT = Path(__file__).resolve().parents[2]
CHATS = Callers(Lane.CHAT, ((0.0, 50.0), (10.0, 200.0)), 8.0)
WORK = Work(token_s=0.05, label_s=0.05)


def call(at_s: float, end: End, took_s: float, lane: Lane = Lane.CHAT, tokens: int = 20) -> Call:
    return Call(at_s, lane, tokens, end, took_s)


def verdicts(played: list[Played]) -> dict[str, Verdict]:
    return {row.name: row.verdict for row in gates.rows(played)}


def test_every_system_gets_the_same_calls() -> None:
    assert arrivals((CHATS,), 20.0, 1) == arrivals((CHATS,), 20.0, 1)
    assert arrivals((CHATS,), 20.0, 1) != arrivals((CHATS,), 20.0, 2)


def test_a_rate_holds_from_its_moment_on() -> None:
    coming = arrivals((CHATS,), 20.0, 1)
    before = sum(each.at_s < 10 for each in coming)

    assert before == pytest.approx(500, rel=0.15)
    assert len(coming) - before == pytest.approx(2000, rel=0.15)
    assert [each.at_s for each in coming] == sorted(each.at_s for each in coming)


@pytest.mark.parametrize(
    ("code", "is_degraded", "end"),
    [
        (grpc.StatusCode.OK, False, End.FULL),
        (grpc.StatusCode.OK, True, End.DEGRADED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False, End.SHED),
        (grpc.StatusCode.UNAVAILABLE, False, End.SHED),
        (grpc.StatusCode.DEADLINE_EXCEEDED, False, End.EXPIRED),
        (grpc.StatusCode.INTERNAL, False, End.FAILED),
    ],
)
def test_a_status_means_one_end(code: grpc.StatusCode, is_degraded: bool, end: End) -> None:
    assert end_of(code, is_degraded) is end


def test_goodput_is_what_full_answers_within_the_window_are_worth() -> None:
    calls = [
        call(9, End.FULL, 2),
        call(8, End.FULL, 1),
        call(12, End.DEGRADED, 1),
        call(19, End.FULL, 2),
        call(12, End.FULL, 0.1, Lane.SENTIMENT, tokens=0),
    ]
    assert goodput(calls, WORK, Window(10, 20)) == pytest.approx((20 * 0.05 + 0.05) / 10)


def test_shares_are_of_the_calls_that_were_due_after_the_warm_up() -> None:
    calls = [
        call(1, End.FAILED, 0),
        call(11, End.FULL, 1),
        call(12, End.DEGRADED, 0.1),
        call(13, End.SHED, 0.01),
        call(14, End.EXPIRED, 8),
    ]
    found = figures(calls, WORK, Window(10, 20))

    assert found["chat_offered"] == 4
    shares = [found[f"chat_{end.value}"] for end in End]
    assert shares == [0.25, 0.25, 0.25, 0.25, 0]
    assert found["chat_answered"] == 0.5
    assert found["chat_shed_p99_s"] == 0.01
    assert math.isnan(found["sentiment_p99_s"])


def test_ours_is_held_against_the_best_of_the_others() -> None:
    played = [
        Played("5x", "tidegate-full", {"goodput_share": 0.97, "chat_answered": 0.19}, 0.2),
        Played("5x", "tidegate", {"goodput_share": 0.88, "chat_answered": 0.9}, 0.2),
        Played("5x", "haproxy", {"goodput_share": 0.98, "chat_answered": 0.19}, 0.1),
        Played("5x", "round-robin", {"goodput_share": 0.90, "chat_answered": 0.2}, 0.0),
    ]
    found = {row.name: row for row in gates.rows(played)}

    assert found["full-5x"].against == "HAProxy, queue"
    assert found["full-5x"].verdict is Verdict.MISSED
    assert found["answered-5x"].against == "gRPC round_robin, retries"
    assert found["answered-5x"].ratio == pytest.approx(4.5)
    assert verdicts(played)["goodput-5x"] is Verdict.MET
    assert verdicts(played)["goodput-5x-short"] is Verdict.MISSED


def test_what_was_not_measured_is_no_promise_kept() -> None:
    assert verdicts([]) == {}
    assert verdicts([Played("10x", "tidegate", {}, 0.0)])["shed-p99-10x"] is Verdict.ABSENT


def test_a_promise_of_none_is_kept_by_none_alone() -> None:
    assert gates.held("lost", "", 0.0, Sense.AT_MOST, 0).verdict is Verdict.MET
    assert gates.held("lost", "", 1.0, Sense.AT_MOST, 0).verdict is Verdict.MISSED


def test_pieces_of_a_run_come_together_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    one = Record()
    one.play(Played("2x", "tidegate", {"goodput_share": 0.9, "chat_shed_p99_s": math.nan}, 0.2))
    one.add([Row("calls", "", "Envoy", Verdict.MET)])
    one.write(file, [])
    other = record.read(file)
    other.play(Played("2x", "haproxy", {"goodput_share": 0.8}, 0.1, "busy"))
    other.write(file, [])

    again = record.read(file)
    assert list(again.played) == [("2x", "tidegate"), ("2x", "haproxy")]
    assert again.rows["calls"].verdict is Verdict.MET
    assert "NaN" not in file.read_text("utf-8")
    table = sheet.render(list(again.played.values()))
    assert "| 2x | Tidegate | 90.0 % |" in table
    assert "(!) 2x, HAProxy, queue: busy" in table


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_file_is_filled_in_and_says_why_it_is_as_it_is(system) -> None:
    fleet = Fleet(Size(instances=2), [1001, 1002], [])
    filled = fill(PEERS / system.file, fleet, 1000, 1.0)

    assert "$" not in filled
    if system.file.endswith(".json"):
        assert json.loads(filled)["methodConfig"]
    else:
        assert filled.startswith("# ")
    if system.binary:
        assert len(re.findall(r"\b1001\b", filled)) >= 1
        assert re.search(r"\b1000\b", filled)


@pytest.mark.parametrize("chats", [1, 4])
def test_the_simulator_is_told_the_time_of_the_instances_steps(chats: int) -> None:
    latency = Latency(step_s=0.05, row_s=0.002, prompt_token_s=0.0001)
    engine = Engine.model_validate(engine_table(latency, 80))
    rows = tuple(BatchRow(n, 9, (65,), Write(Sampling(), 1), (65,)) for n in range(chats))
    label = BatchRow(9, 0, (65,) * 80)

    step_s = latency.of(Batch((), rows))
    assert engine.reply_token_s * engine.slowdown(0, chats) == pytest.approx(step_s)
    # A label is as long as its step, which is as much longer for those beside it.
    label_s = latency.of(Batch((), (*rows, label)))
    slowdown = engine.slowdown(1, chats)
    assert engine.work(CoreLane.SENTIMENT, 0, 0).total_s * slowdown == pytest.approx(label_s)
    assert engine.reply_token_s * slowdown == pytest.approx(label_s)


def test_a_figure_near_reality_is_met_and_one_far_off_is_not() -> None:
    real = {"chat_full_p50_s": 1.0, "chat_full_p95_s": 2.0, "chat_shed": 0.0, "chat_degraded": 0.5}
    told = {"chat_full_p50_s": 1.1, "chat_full_p95_s": 2.4, "chat_shed": 0.01, "chat_degraded": 0.5}
    labels = {"sentiment_p50_s": 0.1, "sentiment_p95_s": 0.1}
    rows = compare(Played("2x", "tidegate", real | labels, 0.0), told | labels)
    found = {row.name.removeprefix("reality-2x-"): row.verdict for row in rows}

    assert found["p50"] is Verdict.MET
    assert found["p95"] is Verdict.MISSED
    assert found["shed"] is Verdict.MET
    assert found["short"] is Verdict.MET


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.overload", "--only", "7x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "flood" in ended.stderr

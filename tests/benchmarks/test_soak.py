"""The pure parts of the soak: what is planned, accounted, reckoned and judged. The run is in tests/system."""

import json
import random
from pathlib import Path
from typing import Any

import grpc
import pytest

from benchmarks.row import Verdict
from benchmarks.soak import gates, journal, mischief, traffic
from benchmarks.soak.book import Attempts, Book
from benchmarks.soak.ending import End, Kind, end_of
from benchmarks.soak.growth import lives
from benchmarks.soak.look import Lane, Status
from benchmarks.soak.reckoning import Account, Reckoning
from benchmarks.soak.slope import slope, thirds, without_largest_step
from benchmarks.soak.traffic import Rates
from tidegate.clients import TidegateError

HALF_AN_HOUR_S, MINUTE_S = 1800.0, 60.0


def blows(seed: int) -> list[mischief.Blow]:
    return list(mischief.plan(HALF_AN_HOUR_S, MINUTE_S, seed))


def status(sentiment: tuple[int, int], chat: tuple[int, int] = (0, 0)) -> Status:
    """One balancer's, by what came and what ended."""
    lanes = {
        name: Lane(offered, ended, 0, ended)
        for name, (offered, ended) in (("sentiment", sentiment), ("chat", chat))
    }
    return Status(lanes, 8, (), is_leading=False)


def account(at_s: float, lives: tuple[int, ...], attempts: Attempts, *statuses: Status) -> Account:
    return Account(at_s, lives, statuses, {"sentiment": attempts, "chat": Attempts()})


def reckoned(*accounts: Account, is_disturbed: bool = False) -> Reckoning:
    reckoning = Reckoning()
    for each in accounts:
        reckoning.take(each, is_disturbed=is_disturbed)
    return reckoning


def sample(at_s: float, rss: float, fds: int = 20, kind: str = "balancer") -> dict[str, Any]:
    facts = {"pid": 1, "rss": rss, "fds": fds, "threads": 9, "cpu_s": at_s / 10}
    return {"at_s": at_s, "what": "sample", "kind": kind, **facts}


def summary(**other: Any) -> dict[str, Any]:
    said = {
        "at_s": 1800.0,
        "what": "summary",
        "begun": 3,
        "unaccounted": 0,
        "errors": [],
        "ends": {"label": {"full": 2}, "chat": {"cut": 1}},
        "is_settled": True,
        "reckoned": Reckoning().summary(),
        "readings": 9,
        "lost": 0,
        "busy_slots": 0,
        "instances": 8,
        "exit_codes": {"balancer 1": 0},
        **{f"label_{name}_s": 0.4 for name in ("p50", "p95", "p99")},
    }
    return {**said, **other}


def verdicts(*lines: dict[str, Any]) -> dict[str, Verdict]:
    return {row.name: row.verdict for row in gates.rows(lines)}


def test_the_same_seed_brings_the_same_blows_and_calls() -> None:
    assert blows(1) == blows(1)
    assert blows(1) != blows(2)
    calls = [list(traffic.arrivals(Rates(5, 1), 60, seed)) for seed in (1, 1, 2)]
    assert calls[0] == calls[1] != calls[2]


@pytest.mark.parametrize("seed", range(20))
def test_something_is_lost_each_minute_but_the_last(seed: int) -> None:
    minutes = [int(blow.at_s // MINUTE_S) for blow in blows(seed)]
    assert sorted(set(minutes)) == list(range(29))
    assert max(minutes.count(each) for each in minutes) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_in_the_first_half_consul_and_the_page_are_spared(seed: int) -> None:
    early = [each for each in blows(seed) if each.at_s < HALF_AN_HOUR_S / 2]
    assert {each.kind for each in early} <= {mischief.Kind.INSTANCE, mischief.Kind.BALANCER}
    assert len(early) >= 15


def test_everything_is_lost_at_some_time() -> None:
    assert {each.kind for each in blows(1)} == set(mischief.Kind)


@pytest.mark.parametrize("seed", range(20))
def test_both_balancers_are_never_lost_at_once(seed: int) -> None:
    hit = [each.at_s for each in blows(seed) if each.kind is mischief.Kind.BALANCER]
    assert len(hit) == len(set(hit))


def test_calls_come_at_their_rates_and_of_every_kind() -> None:
    calls = list(traffic.arrivals(Rates(10, 2), 1000, 1))
    chats = [each for each in calls if each.kind.lane == "chat"]
    assert len(chats) == pytest.approx(2000, rel=0.1)
    assert {each.kind for each in calls} == set(Kind)
    assert any(each.hangs_up_s for each in calls)
    assert any(each.has_twin for each in calls)
    assert all(each.kind.lane == "chat" for each in calls if each.is_heedless)


def test_a_call_has_one_end() -> None:
    book = Book()
    number = book.begin(Kind.LABEL)
    assert book.unaccounted == 1
    book.end(number, End.FULL, 0.2)
    assert (book.unaccounted, book.errors) == (0, [])
    book.end(number, End.FAILED, 0.2)
    assert len(book.errors) == 1
    assert sum(book.ends[Kind.LABEL].values()) == 1


def test_percentiles_are_of_answers() -> None:
    book = Book()
    for hundredths in range(1, 101):
        book.end(book.begin(Kind.LABEL), End.FULL, hundredths / 100)
    book.end(book.begin(Kind.LABEL), End.FAILED, 60.0)
    assert (book.percentile_s(Kind.LABEL, 0.95), book.percentile_s(Kind.CHAT, 0.95)) == (0.95, None)


@pytest.mark.parametrize(
    ("code", "reason", "has_begun", "end"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", False, End.REFUSED),
        (grpc.StatusCode.UNAVAILABLE, "", False, End.FAILED),
        (grpc.StatusCode.UNAVAILABLE, "", True, End.CUT),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", True, End.EXPIRED),
    ],
)
def test_an_error_is_an_end(code: grpc.StatusCode, reason: str, has_begun: bool, end: End) -> None:
    assert end_of(TidegateError(code, "", reason), has_begun=has_begun) is end


def test_both_sides_are_alike_when_all_that_began_came() -> None:
    before = account(0, (1, 2), Attempts(10, 10), status((4, 4)), status((6, 6)))
    after = account(5, (1, 2), Attempts(15, 13), status((7, 6)), status((8, 7)))
    found = reckoned(before, after)
    assert before.is_settled
    assert after.is_settled
    assert (found.exact, found.exact_calls, found.wrong) == (1, 5, [])


def test_a_call_that_no_balancer_counts_is_seen() -> None:
    before = account(0, (1, 2), Attempts(10, 10), status((4, 4)), status((6, 6)))
    after = account(5, (1, 2), Attempts(15, 15, left=3), status((6, 6)), status((8, 8)))
    assert len(reckoned(before, after).wrong) == 1
    # Where a balancer stood still, who hung up may never have been heard.
    assert reckoned(before, after, is_disturbed=True).wrong == []
    # Nor who hung up at once.
    early = account(5, (1, 2), Attempts(15, 15, left=3, early=1), status((6, 6)), status((8, 8)))
    assert reckoned(before, early).wrong == []


def test_a_call_that_is_counted_twice_is_seen_even_then() -> None:
    before = account(0, (1, 2), Attempts(10, 10), status((4, 4)), status((6, 6)))
    after = account(5, (1, 2), Attempts(15, 15, left=3), status((8, 8)), status((8, 8)))
    assert len(reckoned(before, after, is_disturbed=True).wrong) == 1


def test_a_killed_balancer_takes_no_more_than_what_callers_made() -> None:
    before = account(0, (1, 2), Attempts(10, 10), status((4, 4)), status((6, 6)))
    after = account(9, (1, 3), Attempts(30, 30), status((14, 14)), status((3, 3)))
    found = reckoned(before, after)
    assert (found.bounded, found.bounded_calls, found.uncounted, found.wrong) == (1, 20, 7, [])


def test_what_is_on_the_wire_is_not_settled() -> None:
    assert not account(0, (1,), Attempts(10, 8), status((9, 8))).is_settled


def test_a_slope_is_that_of_the_line_whatever_a_fifth_of_the_points_say() -> None:
    rng = random.Random(1)
    points = [(float(t), 100 + 0.02 * t + rng.gauss(0, 0.5)) for t in range(300)]
    wild = [(t, y + 500 if rng.random() < 0.2 else y) for t, y in points]
    assert slope(points) == pytest.approx(0.02, rel=0.1)
    assert slope(wild) == pytest.approx(0.02, rel=0.5)


def test_thirds_are_medians() -> None:
    assert thirds([1, 1, 9, 5, 5, 5, 2, 2, 7]) == (1, 2)


def test_one_step_is_no_slope_and_three_are() -> None:
    one = [(float(t), 100.0 + 9 * (t > 500)) for t in range(0, 1000, 5)]
    three = [(t, 100.0 + 9 * (t > 240) + 8 * (t > 500) + 8 * (t > 750)) for t, _ in one]
    assert slope(without_largest_step(one)) == 0.0
    assert slope(without_largest_step(three)) > 0.005
    assert without_largest_step([(0.0, 3.0), (1.0, 2.0)]) == [(0.0, 3.0), (1.0, 2.0)]


def test_only_a_long_life_is_judged_and_without_its_first_minutes() -> None:
    young = [sample(at, 1e8) for at in range(0, 590, 5)]
    assert list(lives(young)) == []
    # It grows to its size while it warms up, and then no more.
    old = [sample(at, min(5e7 + 3e5 * at, 1.2e8)) for at in range(0, 1200, 5)]
    (life,) = lives(old)
    assert life.rss_slope == pytest.approx(0.0)


def test_gates_pass_when_nothing_is_lost_or_grows() -> None:
    steady = [sample(at, 1e8) for at in range(0, 1200, 5)]
    found = verdicts(*steady, summary())
    assert Verdict.MISSED not in found.values()
    assert found["rss-balancer"] is Verdict.MET
    assert found["rss-web"] is Verdict.ABSENT


@pytest.mark.parametrize(
    ("said", "missed"),
    [
        ({"begun": 4}, "unaccounted"),
        ({"errors": ["call 3 ended once more, full"]}, "unaccounted"),
        ({"lost": 1}, "balancer-accounts"),
        ({"reckoned": {**Reckoning().summary(), "unsettled": 1}}, "both-sides"),
        ({"reckoned": {**Reckoning().summary(), "wrong": ["chat"]}}, "both-sides"),
        ({"busy_slots": 1}, "busy-slots"),
        ({"exit_codes": {"balancer 1": None}}, "clean-ends"),
        ({"is_settled": False}, "clean-ends"),
    ],
)
def test_a_gate_names_what_was_lost(said: dict[str, Any], missed: str) -> None:
    found = verdicts(summary(**said))
    assert [name for name, verdict in found.items() if verdict is Verdict.MISSED] == [missed]


def test_a_leak_is_seen_in_memory_and_in_descriptors() -> None:
    # Two per cent of memory in ten minutes, and a descriptor a minute.
    leaking = [sample(at, 1e8 * (1 + at / 30_000), 20 + at // 60) for at in range(0, 1200, 5)]
    found = verdicts(*leaking, summary())
    assert (found["rss-balancer"], found["fds-balancer"]) == (Verdict.MISSED, Verdict.MISSED)
    assert found["threads-balancer"] is Verdict.MET


def test_a_label_counts_as_failed_unless_the_machine_stood_still() -> None:
    failure = {"at_s": 100.0, "what": "failure", "took_s": 15.0, "said": "UNAVAILABLE"}
    gap = {"at_s": 95.0, "what": "gap", "lasted_s": 20.0}
    assert verdicts(failure, summary())["labels"] is Verdict.MISSED
    assert verdicts(failure, gap, summary())["labels"] is Verdict.MET
    assert verdicts(failure, {**gap, "at_s": 80.0}, summary())["labels"] is Verdict.MISSED


def test_everything_comes_back_unless_the_machine_stood_still() -> None:
    back = {"at_s": 200.0, "what": "back", "said": ["balancer 1 killed"], "is_whole": False}
    back["after_s"] = 50.0
    assert verdicts(back, summary())["back"] is Verdict.MISSED
    gap = {"at_s": 190.0, "what": "gap", "lasted_s": 30.0}
    assert verdicts(back, gap, summary())["back"] is Verdict.MET


def test_a_soak_that_broke_off_is_no_success() -> None:
    assert set(verdicts(sample(0, 1.0)).values()) == {Verdict.FAILED}


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = journal.Journal(tmp_path / "soak.jsonl")
    log.write("back", said=["实例"])
    log.close()
    (line,) = journal.read(tmp_path / "soak.jsonl")
    assert (line["what"], line["said"]) == ("back", ["实例"])
    assert json.dumps(line)

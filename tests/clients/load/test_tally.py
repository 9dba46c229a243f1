from __future__ import annotations

import json

import grpc
import pytest
from support.scripted_service import shed

from tidegate.clients.errors import error_of_call
from tidegate.clients.load.caller import end_of
from tidegate.clients.load.drive import Outcome
from tidegate.clients.load.report import verdict
from tidegate.clients.load.tally import End, LaneTally, note, percentiles


def test_what_two_processes_tell_adds_up() -> None:
    together = LaneTally()
    for took_s in (0.1, 0.3):
        tally = LaneTally()
        for second in range(10):
            tally.offer(second)
            tally.finish(End.FULL, "", took_s, second + took_s)
        tally.finish(End.SHED, "QUEUE_FULL", 0.001, 3.0)
        together.add(json.loads(json.dumps(tally.told())))
    assert (together.offered, together.ends["full"], together.ends["shed"]) == (20, 20, 2)
    assert together.reasons == {"QUEUE_FULL": 2}
    took = percentiles(together.answered_s)
    assert took["p50"] == pytest.approx(0.1, rel=0.002)
    assert took["p95"] == took["max"] == pytest.approx(0.3, rel=0.002)


def test_a_time_that_is_out_of_bounds_counts_as_the_bound() -> None:
    tally = LaneTally()
    for took_s in (-1.0, 1e9):
        note(tally.first_s, took_s)
    assert percentiles(tally.first_s)["max"] == pytest.approx(3600, rel=0.002)


@pytest.mark.parametrize(
    ("code", "trailers", "end"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, shed(5).trailers, (End.SHED, "QUEUE_FULL")),
        (grpc.StatusCode.UNAVAILABLE, (), (End.FAILED, "UNAVAILABLE")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, (), (End.EXPIRED, "")),
        (grpc.StatusCode.INVALID_ARGUMENT, (), (End.FAILED, "INVALID_ARGUMENT")),
    ],
)
def test_every_status_is_one_end(
    code: grpc.StatusCode, trailers: tuple[tuple[str, str | bytes], ...], end: tuple[End, str]
) -> None:
    assert end_of(error_of_call(code, "no", trailers)) == end


@pytest.mark.parametrize(
    ("late", "cpu", "is_limit"),
    [(0, 0.5, False), (10, 0.5, False), (11, 0.5, True), (0, 0.95, True)],
)
def test_a_tool_that_cannot_keep_up_says_so(late: int, cpu: float, is_limit: bool) -> None:
    outcome = Outcome(made=1000, late=late, cpu=cpu)
    assert outcome.is_limit == is_limit
    assert ("THE LOAD TOOL WAS THE LIMIT" in " ".join(verdict(outcome))) == is_limit

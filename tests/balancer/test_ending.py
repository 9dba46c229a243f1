import grpc
import pytest
from support.instances import refusal_trailers

from tidegate.balancer.core.call import Outcome
from tidegate.balancer.ending import Progress, answer_in, outcome_of, reason_in

NOTHING, ANSWERING = Progress.NOTHING, Progress.ANSWERING


@pytest.mark.parametrize(
    ("code", "reason", "progress", "outcome"),
    [
        ("OK", "", ANSWERING, Outcome.FULL),
        ("INVALID_ARGUMENT", "", NOTHING, Outcome.INVALID),
        ("UNIMPLEMENTED", "", NOTHING, Outcome.INVALID),
        ("DEADLINE_EXCEEDED", "", NOTHING, Outcome.EXPIRED),
        ("INTERNAL", "BUG", NOTHING, Outcome.FAILED),
        ("UNKNOWN", "", NOTHING, Outcome.FAILED),
        ("UNAVAILABLE", "", NOTHING, Outcome.LOST),
        ("UNAVAILABLE", "", ANSWERING, Outcome.CUT),
        ("CANCELLED", "", NOTHING, Outcome.LOST),
        ("CANCELLED", "", ANSWERING, Outcome.CUT),
        ("RESOURCE_EXHAUSTED", "SLOTS_TAKEN", NOTHING, Outcome.REFUSED),
        ("UNAVAILABLE", "DRAINING", NOTHING, Outcome.REFUSED),
        ("UNAVAILABLE", "DRAINING", ANSWERING, Outcome.FAILED),
        ("UNAVAILABLE", "WARMING", NOTHING, Outcome.FAILED),
        ("RESOURCE_EXHAUSTED", "", NOTHING, Outcome.INVALID),
    ],
)
def test_the_final_status_says_how_the_send_ended(code, reason, progress, outcome):
    status = grpc.StatusCode[code]
    trailers = refusal_trailers(status, reason) if reason else ()
    assert outcome_of(status, trailers, progress) is outcome


def test_an_answer_is_degraded_when_the_instance_says_so():
    assert answer_in([("tidegate-degraded", "true")]) is Outcome.DEGRADED
    assert answer_in([("tidegate-degraded", "no"), ("x", b"1")]) is Outcome.FULL


def test_details_that_are_not_ours_or_not_readable_have_no_reason():
    assert reason_in([("other", "x"), ("grpc-status-details-bin", b"\xff\xff")]) == ""
    assert reason_in([("grpc-status-details-bin", b"")]) == ""

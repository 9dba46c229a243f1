import grpc
import pytest
from google.rpc import error_details_pb2

from tidegate.server.refusal import Reason, Refusal, Violation, refuse_fields


@pytest.mark.parametrize(
    ("pushback_s", "pushback_ms", "retry_after"),
    [
        (0.0, "0", "0"),
        (0.0004, "1", "1"),
        (1.0, "1000", "1"),
        (1.001, "1001", "2"),
        (99, "30000", "30"),
    ],
)
def test_hints_are_rounded_up_and_capped(pushback_s, pushback_ms, retry_after):
    refusal = Refusal(Reason.SLOTS_TAKEN, "full", pushback_s=pushback_s)
    trailers = dict(refusal.trailers)
    assert trailers["grpc-retry-pushback-ms"] == pushback_ms
    assert trailers["retry-after"] == retry_after
    delay = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(delay) for detail in refusal.status.details)
    assert delay.retry_delay.ToMilliseconds() == int(pushback_ms)


def test_no_hint_where_none_is_due():
    assert [key for key, _ in refuse_fields([Violation("text", "is empty")]).trailers] == [
        "grpc-status-details-bin"
    ]


def test_the_trailers_are_a_tuple():
    assert isinstance(Refusal(Reason.DRAINING, "bye").trailers, tuple)


def test_any_number_of_wrong_fields_fits_into_eight_kilobytes():
    refusal = refuse_fields([Violation(f"turns[{n}]", "情" * 999) for n in range(999)])
    details = len(dict(refusal.trailers)["grpc-status-details-bin"]) * 4 // 3
    assert details + 3 * len(refusal.message.encode()) < 8000
    assert refusal.message.endswith("; and 995 more")


def test_the_status_in_the_details_is_that_of_the_call():
    for reason in Reason:
        status = Refusal(reason, "why").status
        assert status.code == reason.code.value[0]
        assert status.message == "why"
        assert isinstance(reason.code, grpc.StatusCode)

import pytest
from google.rpc import error_details_pb2, status_pb2

from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.verdict import Backlog, Reason, Shed
from tidegate.balancer.refusal import STATUSES, message_of, trailers_of


def shed(reason: Reason, retry_after_s: float | None) -> Shed:
    backlog = Backlog(depth=7, estimated_wait_s=1.2345, instances=2)
    return Shed(Call(1, Lane.CHAT, 0.0), reason, retry_after_s, backlog)


def details(it: Shed) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo]:
    status = status_pb2.Status.FromString(dict(trailers_of(it))["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return status, info


def test_every_reason_has_a_status_and_a_message():
    assert set(STATUSES) == set(Reason)
    assert all("{" not in message_of(shed(reason, 1.0)) for reason in Reason)


def test_a_hint_says_the_same_in_every_language():
    it = shed(Reason.WAIT_TOO_LONG, 1.5001)
    trailers = dict(trailers_of(it))
    status, info = details(it)
    retry = error_details_pb2.RetryInfo()

    assert trailers["grpc-retry-pushback-ms"] == "1501"
    assert trailers["retry-after"] == "2"
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1501
    assert (status.code, status.message) == (8, message_of(it))
    assert (info.reason, info.domain) == ("WAIT_TOO_LONG", "tidegate")
    facts = {"lane": "chat", "est_wait_ms": "1234", "queue_depth": "7", "instances": "2"}
    assert dict(info.metadata) == facts


@pytest.mark.parametrize(
    ("reason", "pushback"), [(Reason.QUEUE_TIMEOUT, "-1"), (Reason.EXPIRED, None)]
)
def test_who_should_not_come_back_is_told_so(reason, pushback):
    it = shed(reason, None)
    trailers = dict(trailers_of(it))
    assert trailers.get("grpc-retry-pushback-ms") == pushback
    assert "retry-after" not in trailers
    assert len(details(it)[0].details) == 1


def test_trailers_are_a_tuple():
    assert isinstance(trailers_of(shed(Reason.QUEUE_FULL, 1.0)), tuple)

from __future__ import annotations

import pickle

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import status_pb2
from support.scripted_service import invalid, shed

from tidegate.clients.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidInput,
    Overloaded,
    ServerFailure,
    TidegateError,
    Unavailable,
    error_of_call,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (code, ServerFailure)
        for code in grpc.StatusCode
        if code
        not in {
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.OUT_OF_RANGE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }
    ]
    + [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInput),
        (grpc.StatusCode.OUT_OF_RANGE, InvalidInput),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    ],
)
def test_every_status_has_one_kind_of_error(
    code: grpc.StatusCode, kind: type[TidegateError]
) -> None:
    error = error_of_call(code, "words", ())
    assert type(error) is kind
    assert (error.code, str(error), error.retry_after_s) == (code, "words", None)


def test_a_shed_carries_its_reason_and_hint() -> None:
    refusal = shed(1500)
    error = error_of_call(refusal.code, refusal.message, refusal.trailers)
    assert isinstance(error, Overloaded)
    assert error.reason == "QUEUE_FULL"
    assert error.retry_after_s == 1.5
    assert not error.retry_forbidden
    assert error.details == {"lane": "chat", "queue_depth": "9"}


@pytest.mark.parametrize("pushback", ["-1", "-2147483648", "soon", "", "1.5"])
def test_a_pushback_that_is_no_number_from_0_on_means_never(pushback: str) -> None:
    error = error_of_call(
        grpc.StatusCode.UNAVAILABLE, "no", (("grpc-retry-pushback-ms", pushback),)
    )
    assert error.retry_forbidden
    assert error.retry_after_s is None


def test_the_pushback_decides_over_the_retry_info() -> None:
    refusal = shed(1500)
    trailers = (("grpc-retry-pushback-ms", "20"), *refusal.trailers[1:])
    assert error_of_call(refusal.code, "no", trailers).retry_after_s == 0.02


def test_invalid_input_names_its_fields() -> None:
    refusal = invalid("text", "is blank")
    error = error_of_call(refusal.code, refusal.message, refusal.trailers)
    assert error.violations == (FieldViolation("text", "is blank"),)


def test_details_that_cannot_be_read_are_left_out() -> None:
    broken = status_pb2.Status(
        details=[any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]
    )
    for raw in (b"\xff\xff", broken.SerializeToString()):
        error = error_of_call(
            grpc.StatusCode.UNAVAILABLE, "no", (("grpc-status-details-bin", raw),)
        )
        assert isinstance(error, Unavailable)
        assert error.reason == ""


def test_a_message_that_is_too_large_is_no_overload() -> None:
    said = "CLIENT: Received message larger than max (9000000 vs. 4194304)"
    error = error_of_call(grpc.StatusCode.RESOURCE_EXHAUSTED, said, ())
    assert isinstance(error, InvalidInput)


def test_an_error_survives_pickling() -> None:
    error = error_of_call(grpc.StatusCode.UNAVAILABLE, "no", (("grpc-retry-pushback-ms", "20"),))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.retry_after_s, str(copy)) == (Unavailable, 0.02, "no")

from __future__ import annotations

import json

import grpc
import pytest

from tidegate.clients.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    ServerFailure,
    TidegateError,
    Unavailable,
)
from tidegate.clients.web.events import Event, error_event, fleet_event
from tidegate.v1 import fleet_pb2

CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Overloaded(CODE.RESOURCE_EXHAUSTED, "m", "QUEUE_FULL"), "overloaded"),
        (Unavailable(CODE.UNAVAILABLE, "m"), "away"),
        (Unavailable(CODE.UNAVAILABLE, "m", "NO_INSTANCE"), "unavailable"),
        (InvalidInput(CODE.INVALID_ARGUMENT, "m"), "invalid"),
        (DeadlineExceeded(CODE.DEADLINE_EXCEEDED, "m"), "late"),
        (ServerFailure(CODE.INTERNAL, "m"), "failed"),
    ],
)
def test_every_error_has_a_kind_that_the_page_knows(error: TidegateError, kind: str) -> None:
    assert error_event(error, "id").fields["kind"] == kind


def test_an_event_is_one_block_whatever_the_text_says() -> None:
    text = "a\n\nevent: end\r\ndata: {}\u2028"
    head, data, *rest = Event("delta", {"text": text}).encoded().decode().split("\n")
    assert head == "event: delta"
    assert json.loads(data.removeprefix("data: ")) == {"text": text}
    assert rest == ["", ""]


def test_the_scalers_decisions_are_told_with_their_reasons() -> None:
    status = fleet_pb2.GetStatusResponse(is_leading=True)
    scale = status.scales.add(role=fleet_pb2.ROLE_CHAT, launched=2, maximum=4, warm_up_ms=1500)
    scale.decisions.add(before=1, after=2, reason="8 calls for 4 slots").at.FromSeconds(
        1_700_000_000
    )
    fields = fleet_event(status).fields
    assert fields["is_leading"]
    (told,) = fields["scales"]
    assert (told["role"], told["launched"], told["maximum"], told["warm_up_s"]) == (
        "chat",
        2,
        4,
        1.5,
    )
    assert told["decisions"] == [
        {"at_s": 1_700_000_000.0, "before": 1, "after": 2, "reason": "8 calls for 4 slots"}
    ]


def test_a_phase_of_a_later_release_has_no_name_here() -> None:
    status = fleet_pb2.GetStatusResponse()
    status.instances.add(phase=99)
    assert fleet_event(status).fields["instances"][0]["phase"] == "unspecified"

from __future__ import annotations

import grpc
import pytest

from tidegate.clients.errors import Overloaded, TidegateError, Unavailable
from tidegate.clients.retry import delay_s, retrying

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("code", "retry_after_s", "retry_forbidden", "attempt", "chance", "delay"),
    [
        # What the other side says is done, to the millisecond, whatever the attempt.
        (EXHAUSTED, 1.5, False, 1, 0.9, 1.5),
        (EXHAUSTED, 0.0, False, 2, 0.0, 0.0),
        (UNAVAILABLE, 0.25, False, 1, 0.9, 0.25),
        (EXHAUSTED, None, True, 1, 0.5, None),
        (UNAVAILABLE, None, True, 1, 0.5, None),
        # Silence: only UNAVAILABLE, doubling, a fifth more or less, at most 5 s.
        (EXHAUSTED, None, False, 1, 0.5, None),
        (UNAVAILABLE, None, False, 1, 0.5, 0.2),
        (UNAVAILABLE, None, False, 1, 0.0, 0.16),
        (UNAVAILABLE, None, False, 2, 0.5, 0.4),
        (UNAVAILABLE, None, False, 9, 0.5, 5.0),
        (UNAVAILABLE, None, False, 9999, 0.5, 5.0),
        # Nothing else is safe to repeat, even with a hint.
        (grpc.StatusCode.INVALID_ARGUMENT, None, False, 1, 0.5, None),
        (grpc.StatusCode.INTERNAL, 1.0, False, 1, 0.5, None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, False, 1, 0.5, None),
        (grpc.StatusCode.CANCELLED, None, False, 1, 0.5, None),
    ],
)
def test_the_delay_is_what_the_other_side_advised(
    code: grpc.StatusCode,
    retry_after_s: float | None,
    retry_forbidden: bool,
    attempt: int,
    chance: float,
    delay: float | None,
) -> None:
    error = TidegateError(code, "no", retry_after_s=retry_after_s, retry_forbidden=retry_forbidden)
    assert delay_s(error, attempt, chance) == (None if delay is None else pytest.approx(delay))


class Failing:
    def __init__(self, error: TidegateError) -> None:
        self.error = error
        self.attempts = 0

    def __call__(self) -> None:
        self.attempts += 1
        raise self.error


def test_attempts_are_counted_in_all() -> None:
    failing = Failing(Unavailable(UNAVAILABLE, "no", retry_after_s=0.0))
    with pytest.raises(Unavailable) as caught:
        retrying(3, 60.0)(failing)
    assert caught.value is failing.error
    assert failing.attempts == 3


def test_a_hint_beyond_the_deadline_is_not_waited_for() -> None:
    failing = Failing(Overloaded(EXHAUSTED, "no", retry_after_s=30.0))
    with pytest.raises(Overloaded) as caught:
        retrying(3, 29.0)(failing)
    assert failing.attempts == 1
    assert caught.value.retry_after_s == 30.0


def test_what_is_not_ours_is_not_retried() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retrying(3, 60.0)(broken)

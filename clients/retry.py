"""Decides whether a call that failed is tried again, and after how long.

Obeys the pushback of the other side; where there is none, follows gRPC's retry design (A6).
Knows nothing about channels or messages, and reads no clock: tenacity carries the decision out.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import grpc
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep,
    sleep_using_event,
    stop_after_attempt,
    stop_before_delay,
    stop_never,
    stop_when_event_set,
)
from tenacity.stop import stop_base

from tidegate.clients.errors import TidegateError

# Without a pushback: 0.2 s, doubling up to 5 s, each 20 % more or less (the jitter of A6).
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
JITTER = 0.2

_MAY_RETRY_WHEN_TOLD = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})


def delay_s(error: TidegateError, attempt: int, chance: float) -> float | None:
    """How long to wait before the next attempt; None when there must be none.

    attempt is the number of attempts made so far, from 1. chance is uniform in [0, 1).
    The other side's hint is obeyed to the millisecond: it is jittered already.
    """
    if error.retry_forbidden or error.code not in _MAY_RETRY_WHEN_TOLD:
        return None
    if error.retry_after_s is not None:
        return error.retry_after_s
    if error.code is not grpc.StatusCode.UNAVAILABLE:
        return None
    # The exponent is bounded so that no number of attempts can overflow it.
    backoff_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt - 1, 16))
    return float(backoff_s * (1 - JITTER + 2 * JITTER * chance))


def retrying(
    attempts: int,
    timeout_s: float | None,
    chance: Callable[[], float] = random.random,
    is_over: threading.Event | None = None,
) -> Retrying:
    """The policy for a blocking call; see `retrying_async`. `is_over` ends a pause when it is set."""
    stop = _stop(attempts, timeout_s)
    return Retrying(
        retry=retry_if_exception(_may_be_tried_again),
        wait=_Wait(chance),
        sleep=sleep if is_over is None else sleep_using_event(is_over),
        stop=stop if is_over is None else stop | stop_when_event_set(is_over),
        reraise=True,
    )


def retrying_async(
    attempts: int, timeout_s: float | None, chance: Callable[[], float] = random.random
) -> AsyncRetrying:
    """The policy for one call: at most `attempts` in all, none that would begin after timeout_s.

    What can't be retried, or not in time, ends with the error of the last attempt.
    """
    return AsyncRetrying(
        retry=retry_if_exception(_may_be_tried_again),
        wait=_Wait(chance),
        stop=_stop(attempts, timeout_s),
        reraise=True,
    )


class _Wait:
    """`delay_s` in the shape that tenacity asks for; it is asked only after a failure."""

    __slots__ = ("_chance",)

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, TidegateError):
            return 0.0
        return delay_s(error, state.attempt_number, self._chance()) or 0.0


def _may_be_tried_again(error: BaseException) -> bool:
    return isinstance(error, TidegateError) and delay_s(error, 1, 0.5) is not None


def _stop(attempts: int, timeout_s: float | None) -> stop_base:
    by_time = stop_never if timeout_s is None else stop_before_delay(timeout_s)
    return stop_after_attempt(attempts) | by_time

import pytest

from tidegate.balancer.core.call import Outcome
from tidegate.balancer.core.retry import may_retry
from tidegate.balancer.core.tally import Beside, Tally
from tidegate.balancer.core.verdict import Reason


@pytest.mark.parametrize(
    ("outcome", "count"),
    [
        (Outcome.FULL, "full"),
        (Outcome.INVALID, "full"),
        (Outcome.DEGRADED, "degraded"),
        (Outcome.EXPIRED, "expired"),
        (Outcome.CANCELLED, "cancelled"),
        (Outcome.FAILED, "failed"),
        (Outcome.CUT, "failed"),
    ],
)
def test_every_outcome_that_ends_a_call_has_one_count(outcome, count):
    tally = Tally()
    tally.count_end(outcome)
    assert (getattr(tally, count), tally.ended) == (1, 1)


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.REFUSED])
def test_a_send_that_came_to_nothing_does_not_end_its_call(outcome):
    with pytest.raises(ValueError, match="does not end a call"):
        Tally().count_end(outcome)


def test_sheds_are_counted_by_reason_and_expiries_apart():
    tally = Tally()
    for reason in (Reason.QUEUE_FULL, Reason.QUEUE_FULL, Reason.EXPIRED):
        tally.count_shed(reason)
    assert (tally.shed, tally.expired, tally.ended) == (2, 1, 3)
    assert tally.by_reason == {Reason.QUEUE_FULL: 2}


@pytest.mark.parametrize(
    ("retrying", "first", "allowed"),
    [(0, 1, True), (2, 1, True), (3, 1, False), (3, 15, False), (3, 16, True), (20, 100, False)],
)
def test_retries_are_a_fifth_of_first_attempts_and_three_at_least(retrying, first, allowed):
    assert may_retry(retrying, first, share=0.2, at_least=3) is allowed


def test_calls_that_took_no_work_are_counted_apart_and_in_full():
    tally = Tally()
    for how in (Beside.SHARED, Beside.SHARED, Beside.CACHED, Beside.EXPIRED, Beside.CANCELLED):
        tally.count_beside(how)
    assert (tally.offered, tally.full, tally.shared, tally.cached) == (5, 3, 2, 1)
    assert (tally.expired, tally.cancelled, tally.ended) == (1, 1, 5)

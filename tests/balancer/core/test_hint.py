import random

import pytest

from tidegate.balancer.core.hint import is_for_room, retry_after_s
from tidegate.balancer.core.verdict import Backlog, Reason


@pytest.mark.parametrize(
    ("reason", "wait_s", "least_s"),
    [
        (Reason.QUEUE_FULL, 8.0, 4.0),
        (Reason.WAIT_TOO_LONG, 100.0, 30.0),
        (Reason.DEADLINE_UNREACHABLE, 0.0, 1.0),
        (Reason.QUEUE_FULL, 0.01, 0.1),
        (Reason.NO_INSTANCE, 0.0, 1.0),
        (Reason.WARMING_UP, 12.0, 12.0),
        (Reason.WARMING_UP, 0.0, 1.0),
        (Reason.DRAINING, 0.0, 1.0),
        (Reason.INSTANCE_LOST, 0.0, 0.2),
    ],
)
def test_a_hint_is_jittered_upward_only_and_capped(reason, wait_s, least_s):
    rng = random.Random(3)
    hints = [retry_after_s(reason, Backlog(5, wait_s, 1), 0.0, rng) for _ in range(50)]
    assert min(hints) >= least_s
    assert max(hints) <= min(least_s * 1.2, 30.0)


@pytest.mark.parametrize("reason", [Reason.QUEUE_TIMEOUT, Reason.EXPIRED])
def test_who_has_waited_long_enough_is_not_told_to_come_back(reason):
    assert retry_after_s(reason, Backlog(5, 8.0, 1), 0.0, random.Random(3)) is None


def test_who_is_turned_away_later_is_told_a_later_time():
    rng, backlog = random.Random(3), Backlog(5, 8.0, 1)
    first = retry_after_s(Reason.QUEUE_FULL, backlog, 0.0, rng)
    later = retry_after_s(Reason.QUEUE_FULL, backlog, 10.0, rng)
    assert 4.0 <= first <= 4.8
    assert 14.0 <= later <= 16.8


@pytest.mark.parametrize(("promised_s", "hint_s"), [(29.0, 30.0), (45.0, 30.0), (45.1, None)])
def test_who_could_only_come_back_in_vain_is_not_told_to(promised_s, hint_s):
    rng, backlog = random.Random(3), Backlog(5, 8.0, 1)
    assert retry_after_s(Reason.WAIT_TOO_LONG, backlog, promised_s, rng) == hint_s


@pytest.mark.parametrize("reason", Reason)
def test_a_promise_is_what_tells_a_time_of_room(reason):
    backlog = Backlog(5, 8.0, 1)
    early, late = (retry_after_s(reason, backlog, each, random.Random(3)) for each in (0.0, 9.0))
    assert is_for_room(reason) is (early != late)

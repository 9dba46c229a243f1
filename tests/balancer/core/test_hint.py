import random

import pytest

from tidegate.balancer.core.hint import retry_after_s
from tidegate.balancer.core.verdict import Backlog, Reason


@pytest.mark.parametrize(
    ("reason", "wait_s", "least_s"),
    [
        (Reason.QUEUE_FULL, 8.0, 4.0),
        (Reason.WAIT_TOO_LONG, 100.0, 30.0),
        (Reason.DEADLINE_UNREACHABLE, 0.0, 1.0),
        (Reason.QUEUE_FULL, 0.01, 0.1),
        (Reason.NO_INSTANCE, 0.0, 1.0),
        (Reason.DRAINING, 0.0, 1.0),
        (Reason.INSTANCE_LOST, 0.0, 0.2),
    ],
)
def test_a_hint_is_jittered_upward_only_and_capped(reason, wait_s, least_s):
    rng = random.Random(3)
    hints = [retry_after_s(reason, Backlog(5, wait_s, 1), rng) for _ in range(50)]
    assert min(hints) >= least_s
    assert max(hints) <= min(least_s * 1.2, 30.0)


@pytest.mark.parametrize("reason", [Reason.QUEUE_TIMEOUT, Reason.EXPIRED])
def test_who_has_waited_long_enough_is_not_told_to_come_back(reason):
    assert retry_after_s(reason, Backlog(5, 8.0, 1), random.Random(3)) is None

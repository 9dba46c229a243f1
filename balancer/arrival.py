"""Reads what a caller says of its call, beside the message, into a `Call`.

A header can lower a call, never raise it: the lane comes from the method. What can't be read is taken
as not said. Knows nothing about what becomes of the call.
"""

from collections.abc import Iterable

from tidegate.balancer.core.call import Call, Lane

ACCEPT_DEGRADED_KEY = "tidegate-accept-degraded"
ATTEMPTS_KEY = "grpc-previous-rpc-attempts"
"""Set by gRPC's own retry policy, and only on a retry."""


def read_call(
    call_id: int,
    lane: Lane,
    metadata: Iterable[tuple[str, str | bytes]],
    left_s: float | None,
    now: float,
) -> Call:
    """The call of `lane` that arrived at `now` and has `left_s` until its deadline, if any.

    Where a key comes twice, the last one counts.
    """
    said = dict(metadata)
    return Call(
        id=call_id,
        lane=lane,
        arrived_s=now,
        deadline_s=None if left_s is None else now + left_s,
        accepts_degraded=said.get(ACCEPT_DEGRADED_KEY) != "false",
        is_retried=ATTEMPTS_KEY in said,
    )

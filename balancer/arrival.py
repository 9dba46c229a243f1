"""Reads what a caller says of its call, beside the message, into a `Call`.

A header can lower a call, never raise it: the lane comes from the method. What can't be read is taken
as not said. Knows nothing about what becomes of the call.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from tidegate.balancer.core.call import Call, Lane

ACCEPT_DEGRADED_KEY = "tidegate-accept-degraded"
CALLER_KEY = "tidegate-caller"
CONVERSATION_KEY = "tidegate-conversation"
GRPC_ATTEMPTS_KEY = "grpc-previous-rpc-attempts"
"""Set by gRPC's own retry policy, and only on a retry."""
ATTEMPTS_KEY = "tidegate-previous-attempts"
"""Set by who retries by other means: gRPC keeps its own key to itself, and takes it from a program that sets it."""
MOST_ATTEMPTS = 999


def read_call(
    call_id: int,
    lane: Lane,
    metadata: Iterable[tuple[str, str | bytes]],
    peer: str,
    size_bytes: int,
    left_s: float | None,
    now: float,
    *,
    is_stream: bool = False,
) -> Call:
    """The call of `lane` that arrived at `now` and has `left_s` until its deadline, if any.

    Where a key comes twice, the last one counts. `peer`, a short key, is the caller of one who gives no name.
    """
    said = dict(metadata)
    return Call(
        id=call_id,
        lane=lane,
        arrived_s=now,
        deadline_s=None if left_s is None else now + left_s,
        accepts_degraded=said.get(ACCEPT_DEGRADED_KEY) != "false",
        conversation=key_of(said.get(CONVERSATION_KEY)),
        size_bytes=size_bytes,
        caller=key_of(said.get(CALLER_KEY)) or peer,
        is_stream=is_stream,
        is_retried=_previous_attempts(said) > 0,
    )


def _previous_attempts(said: Mapping[str, str | bytes]) -> int:
    """How often the call was sent before: the larger of what both keys say, MOST_ATTEMPTS at most."""
    return max(_count(said.get(GRPC_ATTEMPTS_KEY)), _count(said.get(ATTEMPTS_KEY)))


def _count(said: str | bytes | None) -> int:
    """A whole number from 0 on, bounded; 0 for anything else."""
    if not (isinstance(said, str) and said.isascii() and said.isdigit()):
        return 0
    digits = said.lstrip("0")
    return MOST_ATTEMPTS if len(digits) > len(str(MOST_ATTEMPTS)) else int(digits or "0")


def key_of(said: str | bytes | None) -> str:
    """A key of 16 bytes for what a caller says, whatever its length; empty for nothing."""
    if not said:
        return ""
    data = said.encode("utf-8", "surrogatepass") if isinstance(said, str) else said
    return blake2b(data, digest_size=8).hexdigest()

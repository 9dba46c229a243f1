"""Decides whether the balancer may send a lost call once more.

The budget follows Finagle and Envoy: retries under way are at most 20 % of the active calls, and
three are always allowed. Knows nothing about why a call was lost.
"""


def may_retry(retrying: int, active: int, share: float, at_least: int) -> bool:
    """Whether one more of `active` calls may be retried while `retrying` of them are retries."""
    return retrying < max(at_least, share * active)

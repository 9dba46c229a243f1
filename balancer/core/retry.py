"""Decides whether the balancer may send a lost call once more.

The budget follows Finagle and Envoy: retries under way are at most 20 % of the first attempts under way, and
three are always allowed. Knows nothing about why a call was lost.
"""


def may_retry(retrying: int, first: int, share: float, at_least: int) -> bool:
    """Whether one more call may be retried beside `first` attempts while `retrying` are retries."""
    return retrying < max(at_least, share * first)

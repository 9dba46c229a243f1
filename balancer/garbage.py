"""Keeps Python's collector of cycles out of the way of calls.

What is loaded at the start stays until the end, and a call leaves no cycles behind unless it is shed or fails. Knows
nothing about what is kept.
"""

import gc

YOUNG = 10_000
"""Objects more than before, at which the young ones are looked through; Python's 700 are those of twenty calls that come
together, and looking was a twentieth of what a call cost."""


def spare_calls() -> None:
    """To be called once, when everything is loaded: what is there now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])

"""Keeps Python's collector of cycles out of the way of a start, and of calls.

A start loads a million objects that stay until the end, and the collector would look through them again and
again: a tenth of the time until the first answer. Knows nothing about what is loaded.
"""

import gc

_WHILE_STARTING = 100_000
_YOUNG = 10_000


def spare_start() -> None:
    """To be called before anything is loaded: the collector waits for that many more objects."""
    gc.set_threshold(_WHILE_STARTING, *gc.get_threshold()[1:])


def spare_calls() -> None:
    """To be called when everything is loaded: what is there now is never looked through again."""
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])

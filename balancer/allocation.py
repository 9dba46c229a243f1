"""Has the memory of large messages go back to the system as soon as they are gone.

glibc keeps what was freed, in an arena for each of gRPC's threads, and raises by itself the size from which it asks the system for pages of
their own: a caller with long texts then leaves a process larger for ever. Knows nothing about messages.
"""

import ctypes

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""From malloc.h."""
LARGE_BYTES = 32 * 1024
KEPT_BYTES = 1 << 20


def return_large_blocks() -> None:
    """To be called before threads are started. Elsewhere than on glibc nothing is done."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_ARENA_MAX, 2)
    mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)

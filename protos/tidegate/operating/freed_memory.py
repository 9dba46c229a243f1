"""Gives memory that was freed back to the system.

glibc keeps what it may need again, and what a process is charged for is what it holds: after weights were packed hundreds of
megabytes that nobody needs again, and after a crowd of calls what they held.
"""

import ctypes


def give_back() -> None:
    """Give it back; elsewhere than on glibc nothing is kept, or nothing can be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return

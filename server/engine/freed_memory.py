"""Gives memory that was freed back to the system.

glibc keeps what it may need again. Packing frees hundreds of megabytes that nobody needs again, and what a server is
charged for is what it holds.
"""

import ctypes


def give_back() -> None:
    """Give it back; elsewhere than on glibc nothing is kept, or nothing can be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return

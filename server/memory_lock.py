"""Keeps the process's memory out of the swap, or says why it can't be kept.

What is resident is locked, and what is reserved is locked when it becomes resident: locking must
not fill a cache of keys and values that nobody has used yet. Linux only.
"""

import ctypes
import errno
import os
import resource
import sys
from pathlib import Path

# From <bits/mman-linux.h>.
_MCL_CURRENT = 1
_MCL_ONFAULT = 4
_GB = 1e9


class MemoryLockError(Exception):
    """The memory can't be locked. The message is one line that says what to do."""


def lock_memory() -> int:
    """Lock what the process has now, beyond this call's own needs; return the bytes locked.

    May be called again after more has been loaded. Raises MemoryLockError.
    """
    if sys.platform != "linux":
        raise MemoryLockError("lock_memory: this system can't lock memory; leave the setting out")
    # Whoever set the soft limit meant programs that don't ask.
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_ONFAULT) != 0:
        raise MemoryLockError(_explain(ctypes.get_errno(), hard))
    return _read_kb("/proc/self/smaps_rollup", "Locked:") * 1024


def _explain(code: int, limit_bytes: int) -> str:
    if code not in (errno.ENOMEM, errno.EPERM):
        return f"lock_memory: the system refused: {os.strerror(code)}"
    needed_gb = _read_kb("/proc/self/status", "VmSize:") * 1024 / _GB
    return (
        f"lock_memory: RLIMIT_MEMLOCK allows {limit_bytes / _GB:.2f} GB and the process has "
        f"{needed_gb:.2f} GB so far: raise it (ulimit -l unlimited, systemd LimitMEMLOCK=infinity, "
        "docker --ulimit memlock=-1), or leave the setting out"
    )


def _read_kb(path: str, name: str) -> int:
    for line in Path(path).read_text("utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0

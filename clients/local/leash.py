"""Becomes another program, which the kernel kills when its starter dies, however that dies.

    python leash.py STARTER_PID PROGRAM [ARGUMENT…]

Run as a script, by path: it stands between fork and exec, so it imports nothing of ours.
Knows nothing about which program it becomes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Bind this process to its starter, then become the program."""
    starter_pid, *program = sys.argv[1:]
    # Only Linux lets a process ask for this. Elsewhere the program outlives a starter that was
    # killed with SIGKILL, and is ended by the starter in every other case.
    if sys.platform == "linux":
        # SIGKILL, because there is nobody left to wait for a drain or to insist.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The starter may have died before the line above.
        if os.getppid() != int(starter_pid):
            sys.exit(1)
    # Python ignores SIGPIPE, and exec would hand that down.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()

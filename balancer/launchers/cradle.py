"""Becomes an instance: leaves a record of itself, binds its life to its starter's if told so, then is another program.

    python cradle.py RECORD STARTER_PID PROGRAM [ARGUMENT…]      a STARTER_PID of 0 binds it to nobody

Run as a script, by path, between fork and exec: an instance is on record before it is anything else, however its
starter dies. Imports nothing of ours, and knows nothing about which program it becomes.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def birth_of(pid: int) -> str | None:
    """When the process was born, as no other that ever has its id; None when it is gone."""
    proc = Path("/proc")
    if not (proc / "self/stat").exists():
        asked = ("ps", "-o", "stat=,lstart=", "-p", str(pid))
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        return said.partition(" ")[2].strip() if said and not said.startswith("Z") else None
    try:
        fields = (proc / f"{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # One that has ended and was not fetched yet keeps its id, and does nothing any more.
    if fields[0] in "ZX":
        return None
    return f"{(proc / 'sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"


def main() -> None:
    """Leave the record, bind this process, become the program."""
    record, starter_pid = Path(sys.argv[1]), int(sys.argv[2])
    program = sys.argv[3:]
    # Out of the terminal's reach: Ctrl-C is the balancer's alone.
    os.setsid()
    facts = {"pid": os.getpid(), "birth": birth_of(os.getpid()), "bound_to": starter_pid}
    draft = record.with_suffix(".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(record)
    if starter_pid and sys.platform == "linux":
        # SIGKILL, because there would be nobody left to insist on a drain.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The starter may have died before the line above.
        if os.getppid() != starter_pid:
            sys.exit("whoever started this has ended")
    # Python ignores SIGPIPE, and exec would hand that down.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()

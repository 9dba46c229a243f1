"""Keeps the process on some of the machine's CPUs. Knows nothing of what runs on them."""

import os
import re
from pathlib import Path

_PART = re.compile(r"(\d+)(?:-(\d+))?")
# More CPUs than any machine has: a slip of the finger, not a list.
_HIGHEST = 4095
_ACCEPTED = "numbers and ranges like 0-3,6 are accepted"


class AffinityError(ValueError):
    """The CPUs can't be had. The message is one line: what was asked for, and what there is."""


def parse_cpus(said: str) -> frozenset[int]:
    """Return the CPUs of a list like `0-3,6`. Raises AffinityError."""
    found: set[int] = set()
    for part in said.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise AffinityError(_ACCEPTED)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= _HIGHEST:
            raise AffinityError(_ACCEPTED)
        found.update(range(first, last + 1))
    return frozenset(found)


def pin(cpus: frozenset[int]) -> None:
    """Let every thread of the process, and those to come, run on `cpus` only.

    Raises AffinityError where one of them isn't there or the system can't do it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise AffinityError("this system can't pin a process to CPUs; leave the setting out")
    allowed = os.sched_getaffinity(0)
    if missing := sorted(cpus - allowed):
        raise AffinityError(
            f"CPU {_show(missing)} is not among those this process may use: {_show(sorted(allowed))}"
        )
    # A thread inherits the CPUs of the one that starts it; libraries have started some already.
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cpus)


def _show(cpus: list[int]) -> str:
    return ", ".join(str(cpu) for cpu in cpus)

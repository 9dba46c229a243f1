"""Reads what a process takes, as /proc shows it. Linux only. Knows nothing of whose process it is."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one instant: resident memory, open descriptors, threads, and the seconds of a core used so far."""

    rss_bytes: int
    descriptors: int
    threads: int
    cpu_s: float


def sample(pid: int) -> Sample | None:
    """Return what a process takes now; None when it is gone."""
    proc = Path(f"/proc/{pid}")
    try:
        stat = (proc / "stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        descriptors = len(os.listdir(proc / "fd"))
    except OSError:
        return None
    if stat[0] in "ZX":
        return None
    cpu_s = (int(stat[11]) + int(stat[12])) / _TICKS
    return Sample(int(stat[21]) * _PAGE, descriptors, int(stat[17]), cpu_s)

"""Judges what a machine offers: processor, memory, limits. The numbers come in; `read` gets them from Linux.

Knows nothing about models, Consul or ports.
"""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

from tidegate.clients.doctor.finding import Finding, good, note, warning

OPEN_FILES = 4096
"""A connection takes one, and a peak of callers brings thousands."""
GIB = 1 << 30
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is. None for what this system doesn't tell."""

    cores: int
    cpu_quota: float | None
    """Cores that a container may use in all; None without such a limit."""
    flags: frozenset[str]
    available_bytes: int | None
    swap_used_bytes: int
    open_files: int
    locked_bytes: int | None
    """None where any amount may be locked."""


def judge(machine: Machine) -> list[Finding]:
    """What there is to say of a machine."""
    return [
        _cores(machine),
        _vectors(machine),
        _memory(machine),
        _open_files(machine),
        _locking(machine),
    ]


def _cores(machine: Machine) -> Finding:
    seen = f"{machine.cores} may be used"
    quota = machine.cpu_quota
    if quota is None or quota >= machine.cores:
        return good("cores", seen)
    return warning(
        "cores",
        f"{seen}, and a limit of the container allows {quota:g} of their time",
        f"set --threads {max(int(quota), 1)}, or raise the limit: more threads than that wait for one another in every step",
    )


def _vectors(machine: Machine) -> Finding:
    names = {
        "amx_tile": "AMX",
        "avx512_bf16": "AVX-512 with bfloat16",
        "avx512f": "AVX-512",
        "avx2": "AVX2",
        "asimd": "NEON",
    }
    found = [name for flag, name in names.items() if flag in machine.flags]
    if not machine.flags:
        return note("vectors", "this system doesn't tell")
    if not found:
        return warning(
            "vectors",
            "neither AVX2 nor AVX-512",
            "expect labels to take several times longer than documented; choose another machine type",
        )
    return good("vectors", ", ".join(found))


def _memory(machine: Machine) -> Finding:
    if machine.available_bytes is None:
        return note("memory", "this system doesn't tell")
    seen = f"{machine.available_bytes / GIB:.1f} GiB available"
    if machine.swap_used_bytes > GIB // 4:
        return warning(
            "memory",
            f"{seen}, {machine.swap_used_bytes / GIB:.1f} GiB swapped out",
            "find what takes the memory; --lock-memory keeps the model out of the swap",
        )
    return good("memory", seen)


def _open_files(machine: Machine) -> Finding:
    if machine.open_files >= OPEN_FILES:
        return good("open files", f"{machine.open_files} may be open at once")
    return warning(
        "open files",
        f"{machine.open_files} may be open at once, and each connection takes one",
        f"ulimit -n {OPEN_FILES * 4}; under systemd LimitNOFILE=, under Docker --ulimit nofile=",
    )


def _locking(machine: Machine) -> Finding:
    if machine.locked_bytes is None:
        return good("memory lock", "any amount may be locked")
    return note(
        "memory lock",
        f"{machine.locked_bytes / (1 << 20):.0f} MiB may be locked",
        "matters for --lock-memory alone: ulimit -l unlimited, LimitMEMLOCK=infinity",
    )


def read(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Machine:
    """Look at this machine."""
    facts = _fields(proc / "meminfo")
    available = [each for each in (facts.get("MemAvailable"), _left_in(cgroup)) if each is not None]
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Machine(
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        cpu_quota=_quota_in(cgroup),
        flags=_flags(proc / "cpuinfo"),
        available_bytes=min(available, default=None),
        swap_used_bytes=facts.get("SwapTotal", 0) - facts.get("SwapFree", 0),
        open_files=_UNLIMITED if open_files == resource.RLIM_INFINITY else open_files,
        locked_bytes=None if locked == resource.RLIM_INFINITY else locked,
    )


def describe_system() -> str:
    """The operating system and Python."""
    return f"{platform.system()} {platform.release()}, Python {platform.python_version()}"


def _fields(meminfo: Path) -> dict[str, int]:
    """Bytes by name, of lines like `MemAvailable:  123 kB`."""
    fields = {}
    for line in _text(meminfo).splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[0].isdecimal():
            fields[name] = int(words[0]) * 1024
    return fields


def _flags(cpuinfo: Path) -> frozenset[str]:
    for line in _text(cpuinfo).splitlines():
        name, _, rest = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(rest.split())
    return frozenset()


def _quota_in(cgroup: Path) -> float | None:
    words = _text(cgroup / "cpu.max").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    return int(words[0]) / int(words[1])


def _left_in(cgroup: Path) -> int | None:
    limit, used = (_text(cgroup / name).strip() for name in ("memory.max", "memory.current"))
    if not limit.isdecimal() or not used.isdecimal():
        return None
    return max(int(limit) - int(used), 0)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""

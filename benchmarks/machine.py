"""Says on what the figures were measured: without that, a figure says nothing."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tidegate.server.engine.idle_threads import CHOSEN_BY_USERS

_PACKAGES = ("tidegate", "torch", "transformers", "llama-cpp-python", "grpcio")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load() -> float:
    """Return how many processes wanted a core over the last minute; ours included."""
    return os.getloadavg()[0]


def describe(threads: int) -> dict[str, str]:
    """Return processor, cores, system and versions, by name, for what computes."""
    return {
        "processor": processor(),
        "cores": f"{cores()}, {threads} threads used by every contender",
        "vectors": ", ".join(_vectors()) or "unknown",
        "system": system(),
        "versions": versions(_PACKAGES),
        "idle threads": ", ".join(_waiting()) or "as each contender has them",
        "load before": f"{load():.1f}",
    }


def system() -> str:
    """Return the operating system and Python, with their versions."""
    return f"{platform.system()} {platform.release()}, Python {platform.python_version()}"


def versions(packages: Sequence[str]) -> str:
    """Return the installed versions of `packages`."""
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def _waiting() -> list[str]:
    """Return what the environment says about idle threads: on a busy machine it decides."""
    return [f"{name}={os.environ[name]}" for name in CHOSEN_BY_USERS if name in os.environ]


def processor() -> str:
    """Return the name of the processor."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _vectors() -> list[str]:
    flags = next((line.split() for line in _cpuinfo() if line.startswith("flags")), [])
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return [flag for flag in known if flag in flags]


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

"""Says on what the figures were measured: without that, a figure says nothing.

Knows nothing about the figures.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("tidegate", "torch", "transformers")


def facts(model: str, threads: int) -> dict[str, str]:
    """Model, processor, cores, system, versions and load, by name; to be asked before the run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "model": f"{model}, FP32",
        "processor": _processor(),
        "cores": f"{cores}, {threads or 'all of them'} used by each",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "load before": f"{os.getloadavg()[0]:.1f} processes wanted a core in the last minute",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

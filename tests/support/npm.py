"""Packages of npm, for tests that let strangers at our programs."""

import shutil
import subprocess
from pathlib import Path

import pytest


def installed(folder: Path, *packages: str) -> Path:
    """Fetch the packages ("name@version") into a folder, unless they are there; give its node_modules.

    Skips where that can't be: a registry that is not reached is no fault of what is tested.
    """
    modules = folder / "node_modules"
    if all((modules / package.rpartition("@")[0]).exists() for package in packages):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"no npm to fetch {', '.join(packages)}")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"),
        # npm waits five minutes for a connection that hangs; a second try takes a second.
        *("--fetch-timeout=10000", "--fetch-retries=4", "--fetch-retry-mintimeout=500"),
        *("--prefix", str(folder), *packages),
    ]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch {', '.join(packages)} within 90 s")
    if ended.returncode:
        pytest.skip(f"npm could not install {', '.join(packages)}: {ended.stderr[-400:]}")
    return modules

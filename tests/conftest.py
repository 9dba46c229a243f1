"""Fixtures of more than one part."""

import os
import signal
from collections.abc import Iterator

import pytest
from support.consul import ConsulAgent, find_consul

# What is said to people is read here in English, whatever the developer's own language is.
os.environ["TIDEGATE_LANG"] = "en"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C; the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def consul() -> Iterator[ConsulAgent]:
    """A Consul agent that all tests share; each uses a service name of its own."""
    agent = ConsulAgent(find_consul())
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def own_consul() -> Iterator[ConsulAgent]:
    """A Consul agent that the test may stop and start; not yet started."""
    agent = ConsulAgent(find_consul())
    yield agent
    agent.stop()

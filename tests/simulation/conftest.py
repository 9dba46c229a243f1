import pytest

from tidegate.balancer.simulation.judge import Judge


@pytest.fixture(scope="session")
def judge() -> Judge:
    """One for all tests: what several of them compare with runs once."""
    return Judge()

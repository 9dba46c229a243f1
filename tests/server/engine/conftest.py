"""Engines over tiny random models."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from support.loaded import loaded
from support.tiny_models import make_model
from transformers import PreTrainedModel

from tidegate.server.engine.engine import Engine

TinyModel = tuple[Path, PreTrainedModel]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TinyModel]:
    """Return folder and transformers model of a family, made once."""
    made: dict[str, TinyModel] = {}

    def get(family: str) -> TinyModel:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            made[family] = (folder, make_model(family, folder))
        return made[family]

    return get


@pytest_asyncio.fixture
async def engine(tiny: Callable[[str], TinyModel]) -> AsyncIterator[Engine]:
    """A running engine, packed: 6 slots, 2 of them for labels only."""
    running = loaded(tiny("qwen2")[0], slots=6, reserved=2, context_tokens=256, threads=0)
    running.start()
    await running.pack()
    yield running
    await running.stop()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds, for five seconds at most."""
    import asyncio
    import time

    async def wait(condition: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + 5
        while not condition():
            if time.monotonic() > give_up_s:
                raise TimeoutError("the condition did not come true within 5 s")
            await asyncio.sleep(0.002)

    return wait

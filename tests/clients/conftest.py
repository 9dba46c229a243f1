from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.scripted_service import Service, running_service
from support.shell import Shell


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as scripted:
        yield scripted


@pytest.fixture
def shell(service: Service) -> Shell:
    return Shell(service.address)

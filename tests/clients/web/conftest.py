from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from support.gateway import Web, running_gateway
from support.scripted_service import Service


@pytest_asyncio.fixture
async def web(service: Service) -> AsyncIterator[Web]:
    async with running_gateway(service.address) as it:
        yield it

"""`tidegate health` against what speaks grpc.health.v1, and against nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from support.instances import NOT_SERVING, PlayedInstance
from support.shell import Shell


@pytest.fixture
async def instance() -> AsyncIterator[PlayedInstance]:
    async with PlayedInstance() as played:
        yield played


async def test_who_serves_is_healthy(instance: PlayedInstance) -> None:
    done = await Shell("").run("health", instance.address)

    assert (done.exit_code, done.stdout, done.stderr) == (0, "SERVING\n", "")


async def test_who_warms_up_or_drains_is_not(instance: PlayedInstance) -> None:
    await instance.say_health(NOT_SERVING)

    done = await Shell("").run("health", instance.address)

    assert (done.exit_code, done.stdout) == (1, "NOT_SERVING\n")


async def test_a_program_reads_the_health_as_json(instance: PlayedInstance) -> None:
    done = await Shell("").run("health", instance.address, "--json")
    assert json.loads(done.stdout) == {
        "address": instance.address,
        "service": "",
        "status": "SERVING",
    }


async def test_a_service_that_is_not_there_is_not_healthy(instance: PlayedInstance) -> None:
    done = await Shell("").run("health", instance.address, "--service", "tidegate.v1.Chat")

    assert (done.exit_code, done.stdout) == (1, "SERVICE_UNKNOWN\n")


async def test_nobody_there_is_said_at_once_and_not_healthy() -> None:
    done = await Shell("").run("health", "localhost:1")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("tidegate: nobody answers at localhost:1 (")
    assert done.stderr.count("\n") == 1

import asyncio
import os
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs
from support.scripted_model import ByteTokenizer, ScriptedModel
from support.waiting import eventually

from tidegate.server.config import ServerSettings
from tidegate.server.engine.engine import Engine
from tidegate.server.life import EngineDiedError, Life
from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub


@pytest.fixture
def logs():
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def model():
    return ScriptedModel()


@pytest.fixture
async def life(logs, model):
    """A life with a scripted model, from its first breath; ended by the test or by a signal."""

    async def load(settings, progress) -> Engine:
        return Engine(
            model,
            ByteTokenizer(),
            model_name="scripted",
            slots=12,
            reserved=4,
            context_tokens=4096,
        )

    running = asyncio.ensure_future(Life(ServerSettings(port=0, consul="off"), load).run())
    yield running
    model.release()
    if not running.done():
        os.kill(os.getpid(), signal.SIGTERM)
        await running


def told(logs, event):
    return [line for line in logs if line["event"] == event]


async def test_an_engine_that_fails_again_and_again_ends_the_process(life, logs, model):
    await eventually(lambda: told(logs, "hot"))
    model.failures = 9
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{told(logs, 'listening')[0]['port']}"
    ) as channel:
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError):
                await SentimentStub(channel).Classify(ClassifyRequest(text="好"))
    with pytest.raises(EngineDiedError):
        await life


async def test_health_is_answered_while_the_profiles_warm_up(life, logs, model):
    model.hold()
    await eventually(lambda: told(logs, "listening"))
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{told(logs, 'listening')[0]['port']}"
    ) as channel:
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not told(logs, "hot")
        model.release()
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        health.cancel()


async def test_a_server_is_hot_before_it_packs(life, logs):
    await eventually(lambda: told(logs, "packed"))
    assert [line["event"] for line in logs] == ["listening", "hot", "packed"]


async def test_a_life_tells_each_change_of_phase_once(life, logs):
    await eventually(lambda: told(logs, "hot"))
    os.kill(os.getpid(), signal.SIGTERM)
    await life
    assert [line["event"] for line in logs] == ["listening", "hot", "draining", "drained"]

"""An engine that hangs ends its process; nothing else does."""

import re
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs
from support.programs import Program, wait_until

from tidegate.server.config import SettingsError, read_settings
from tidegate.server.engine.sequence import EngineLoad
from tidegate.server.watchdog import EXIT_CODE, Stillness, Watchdog
from tidegate.v1.chat_pb2 import ReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub

IDLE = EngineLoad(
    running=0,
    waiting=0,
    slots=4,
    free_slots=4,
    finished=0,
    cancelled=0,
    failed=0,
    steps=7,
    computed_tokens=0,
    cached_tokens=0,
)
BUSY = replace(IDLE, running=1, free_slots=3)

# (time in s, load, whether that is a hang) with a limit of 10 s, looked at every second.
STORIES = {
    "an idle engine never hangs": [(0, IDLE, False), (1, IDLE, False), (1000, IDLE, False)],
    "a busy engine may take up to the limit": [(t, BUSY, False) for t in range(10)],
    "at the limit it hangs": [*((t, BUSY, False) for t in range(10)), (10, BUSY, True)],
    "a sequence that only waits is work, too": [
        *((t, replace(IDLE, waiting=1), False) for t in range(10)),
        (10, replace(IDLE, waiting=1), True),
    ],
    "a step begins the time anew": [
        *((t, BUSY, False) for t in range(10)),
        (10, replace(BUSY, steps=8), False),
        *((t, replace(BUSY, steps=8), False) for t in range(11, 20)),
    ],
    "steps that were slow before may be slow again": [
        *((t, BUSY, False) for t in range(6)),
        *((t, replace(BUSY, steps=8), False) for t in range(6, 31)),
        (31, replace(BUSY, steps=8), True),
    ],
    "idle time before the work doesn't count": [
        *((t, IDLE, False) for t in range(100)),
        *((t, BUSY, False) for t in range(100, 109)),
        (109, BUSY, True),
    ],
    "time in which the whole process was stopped counts little": [
        (0, BUSY, False),
        (1, BUSY, False),
        (3600, BUSY, False),
        (3601, replace(BUSY, steps=8), False),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_only_work_without_a_step_is_a_hang(story):
    stillness = Stillness(limit_s=10.0, look_every_s=1.0)
    for now, load, hangs in story:
        assert stillness.observe(load, float(now)) is hangs, now


def test_a_hang_is_told_with_all_stacks_then_said_then_ended():
    order: list[object] = []
    ended = threading.Event()
    with (
        capture_logs() as logs,
        Watchdog(
            look=lambda: BUSY,
            clock=time.monotonic,
            limit_s=0.05,
            say_farewell=lambda: order.append("farewell"),
            end=lambda code: (order.append(code), ended.set()),
        ),
    ):
        assert ended.wait(10)
    assert order == ["farewell", EXIT_CODE]
    (line,) = logs
    assert line["event"] == "engine hangs"
    assert "thread MainThread:" in line["stack"]
    assert "test_watchdog.py" in line["stack"]


def test_an_end_that_nobody_hears_still_ends():
    ended = threading.Event()

    def fail() -> None:
        raise RuntimeError

    with (
        capture_logs() as logs,
        Watchdog(lambda: BUSY, time.monotonic, 0.05, fail, lambda code: ended.set()),
    ):
        assert ended.wait(10)
    assert [line["event"] for line in logs] == ["engine hangs", "farewell failed"]


@pytest.mark.parametrize("value", ["-1", "0.5", "3601"])
def test_a_limit_within_the_length_of_steps_is_refused(value):
    with pytest.raises(SettingsError, match="watchdog_s: "):
        read_settings(["--watchdog-s", value])


# A server as the command runs it, over a model that stops within a step when it is told to.
SERVER = """
import asyncio, pathlib, sys
from support.scripted_model import ByteTokenizer, ScriptedModel
from tidegate.server.config import read_settings
from tidegate.server.engine.engine import Engine
from tidegate.server.life import Life

hang = pathlib.Path(sys.argv[1])

class Hanging(ScriptedModel):
    def run(self, batch):
        if hang.exists():
            self.hold()
            self._may_go.wait()
        return super().run(batch)

async def load(settings, progress):
    return Engine(Hanging(), ByteTokenizer(), model_name="hanging", slots=12, reserved=4,
                  context_tokens=4096)

async def live():
    await Life(read_settings(sys.argv[2:]), load).run()

asyncio.run(live())
"""


def start(hang: Path, log: Path, watchdog_s: str) -> Program:
    tests = str(Path(__file__).resolve().parent.parent)
    settings = ["--port", "0", "--consul", "off", "--watchdog-s", watchdog_s]
    return Program([sys.executable, "-c", SERVER, str(hang), *settings], log, {"PYTHONPATH": tests})


def test_a_server_whose_step_hangs_says_not_serving_and_ends_with_its_code(tmp_path):
    hang = tmp_path / "hang"
    program = start(hang, tmp_path / "log", "1")
    try:
        program.wait_for("hot ")
        port = next(
            word.partition("=")[2] for word in plain(program).split() if word.startswith("port=")
        )
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(health).status == health_pb2.HealthCheckResponse.SERVING
            # Longer than the limit without any work.
            time_s = time.monotonic()
            wait_until(lambda: time.monotonic() - time_s > 1.5, "an idle time")
            hang.touch()
            call = ChatStub(channel).Reply.future(ReplyRequest(text="好"))
            assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert program.process.wait(20) == EXIT_CODE
    finally:
        program.process.kill()
        program.process.wait()
    assert "engine hangs" in program.output
    assert "thread engine:" in program.output
    assert "threading.py" in program.output


def plain(program: Program) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", program.output)

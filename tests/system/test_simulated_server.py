"""A server without a model: real in everything but what it answers, and honest about it."""

import re
import subprocess
import sys

import grpc
import pytest
from support.programs import run, running

from tidegate.balancer.core.call import Lane
from tidegate.balancer.simulation.work import Engine
from tidegate.server.engine.batch import Batch, Row
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.sequence import Sampling, Write
from tidegate.v1 import instance_pb2, instance_pb2_grpc
from tidegate.v1.chat_pb2 import FINISH_REASON_STOP, ReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

pytestmark = pytest.mark.beside

LOADING = """
import asyncio, sys
from tidegate.server.config import ServerSettings
from tidegate.server.model_loading import load_model
asyncio.run(load_model(ServerSettings(model="simulated"), print))
print(sorted(sys.modules.keys() & {"torch", "transformers", "tokenizers", "safetensors", "platformdirs", "psutil"}))
"""


def test_a_simulated_server_answers_and_says_that_it_is_simulated(tmp_path):
    file = tmp_path / "fast.toml"
    file.write_text("step_s = 0.001\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 5\n")
    name = f"simulated:{file}"
    arguments = ["tidegate-server", "--model", name, "--port", "0", "--consul", "off"]
    with running(arguments, tmp_path / "log") as program:
        program.wait_for(" hot ")
        output = re.sub(r"\x1b\[[\d;]*m", "", program.output)
        port = re.findall(r"port=(\d+)", output)[0]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            label = SentimentStub(channel).Classify(ClassifyRequest(text="很好"))
            reply = ChatStub(channel).Reply(ReplyRequest(text="你好"))
            load = instance_pb2_grpc.InstanceStub(channel).GetLoad(instance_pb2.GetLoadRequest())

        assert program.stop() == 0

    assert label.confidence == 0
    assert reply.text == "这是模拟的"
    assert reply.finish_reason == FINISH_REASON_STOP
    assert {label.model, reply.model, load.model} == {name}
    assert "no model is loaded" in output


def test_a_wrong_latency_file_ends_the_start_with_one_line(tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text("steps = 1\n")

    ended = run("tidegate-server", "--model", f"simulated:{file}", "--port", "0", "--consul", "off")

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("tidegate-server: model 'simulated:")
    assert "steps" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_that_a_model_needs_is_imported_for_a_simulated_one():
    said = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1] == "[]"


@pytest.mark.parametrize("chats", [1, 8])
def test_simulated_servers_and_the_simulator_take_the_same_time_for_a_token(chats):
    latency, engine = Latency(), Engine()
    write = Write(Sampling(), 1)
    rows = tuple(Row(slot, 9, (65,), write, (65,)) for slot in range(chats))

    alone_s = engine.work(Lane.CHAT, 0, 1).reply_s
    assert latency.of(Batch((), rows)) == pytest.approx(
        alone_s * engine.slowdown(0, chats), rel=0.01
    )


def test_simulated_servers_and_the_simulator_take_the_same_time_for_a_label():
    read = Batch((), (Row(0, 0, (65,) * 30),))
    assert Latency().of(read) == pytest.approx(
        Engine().work(Lane.SENTIMENT, 30, 0).total_s, rel=0.01
    )

"""`tidegate-server` as a process: what it prints, how it ends, what a drain leaves behind."""

import queue
import re
import signal
import socket
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.programs import Program, run, running, wait_until
from support.tiny_models import make_model

from tidegate.v1 import fleet_pb2, instance_pb2, instance_pb2_grpc
from tidegate.v1.chat_pb2 import Sampling, StreamReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest, ClassifyStreamRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_model("qwen2", folder)
    return folder


@pytest.fixture
def profiles(tmp_path) -> Path:
    """Short profiles: the tiny model's tokens are bytes."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "sentiment.toml").write_text('kind = "classify"\nlabels = ["good", "bad"]\n')
    (folder / "chat.toml").write_text('kind = "chat"\nmax_tokens = 300\n')
    return folder


def arguments(model: Path, profiles: Path, *more: str) -> list[str]:
    return [
        *("tidegate-server", "--model", str(model), "--profiles", str(profiles)),
        *("--port", "0", "--consul", "off", "--context-tokens", "512", "--threads", "1", *more),
    ]


def address(program: Program) -> str:
    program.wait_for(" hot ")
    found = re.search(r"port=(\d+)", re.sub(r"\x1b\[[\d;]*m", "", program.output))
    assert found is not None, program.output
    return f"127.0.0.1:{found[1]}"


def test_a_changed_profile_shows_in_the_next_answer(model, profiles, tmp_path):
    with running(arguments(model, profiles), tmp_path / "log") as program:
        with grpc.insecure_channel(address(program)) as channel:
            ask = SentimentStub(channel).Classify
            before = ask(ClassifyRequest(text="x"))
            said = 'kind = "classify"\nlabels = ["yes", "no"]\n'
            (profiles / "sentiment.toml").write_text(said)
            after = ask(ClassifyRequest(text="x"))
            (profiles / "sentiment.toml").write_text(said + 'system_prompt = "请"\n')
            broken = ask(ClassifyRequest(text="x"))
        assert before.label in ("good", "bad")
        assert after.label in ("yes", "no")
        assert before.profile_version != after.profile_version == broken.profile_version
        assert "no-please" in program.output
        assert program.stop() == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_refuses_the_new_and_finishes_what_runs(model, profiles, tmp_path, sent):
    with running(arguments(model, profiles), tmp_path / "log") as program:
        with grpc.insecure_channel(address(program)) as channel:
            chat = ChatStub(channel)
            request = StreamReplyRequest(text="x", sampling=Sampling(max_tokens=300, temperature=1))
            running_call = chat.StreamReply(request)
            next(running_call)
            program.process.send_signal(sent)
            program.wait_for("draining")

            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
            load = instance_pb2_grpc.InstanceStub(channel).GetLoad(instance_pb2.GetLoadRequest())
            assert load.phase == fleet_pb2.PHASE_DRAINING
            with pytest.raises(grpc.RpcError) as caught:
                SentimentStub(channel).Classify(ClassifyRequest(text="x"))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]

            assert [*running_call][-1].WhichOneof("event") == "end"
        assert program.process.wait(20) == 0
        assert "Traceback" not in program.output


def test_a_signal_while_the_model_loads_ends_it_at_once(model, profiles, tmp_path):
    with running(arguments(model, profiles), tmp_path / "log") as program:
        program.wait_for("listening")
        assert program.stop(within_s=10) == 0
        assert "Traceback" not in program.output


def test_a_long_call_is_cut_off_at_the_end_of_the_drain(model, profiles, tmp_path):
    more: queue.SimpleQueue[ClassifyStreamRequest | None] = queue.SimpleQueue()
    more.put(ClassifyStreamRequest(item_id="1", request=ClassifyRequest(text="好")))
    with (
        running(arguments(model, profiles, "--drain-s", "0"), tmp_path / "log") as program,
        grpc.insecure_channel(address(program)) as channel,
    ):
        call = SentimentStub(channel).ClassifyStream(iter(more.get, None))
        assert next(call).item_id == "1"
        load = instance_pb2_grpc.InstanceStub(channel).GetLoad
        wait_until(lambda: load(instance_pb2.GetLoadRequest()).lanes[0].in_flight == 1, "the call")
        assert program.stop(within_s=10) == 0
        more.put(None)
        with pytest.raises(grpc.RpcError):
            next(call)


def broken_profile(folder: Path) -> list[str]:
    (folder / "x.toml").write_text('kind = "chat"\nmax_tokens = 3\n')
    return []


def clashing_labels(folder: Path) -> list[str]:
    (folder / "x.toml").write_text('kind = "classify"\nlabels = ["aa", "aab"]\n')
    return []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda _: ["--model", "/no/such/model"], "/no/such/model"),
        (broken_profile, "rule room-to-answer: 3"),
        (clashing_labels, "'aa' is how 'aab' begins"),
        (lambda _: ["--default-chat-profile", "nope"], "default_chat_profile: 'nope'; of kind"),
        (lambda _: ["--context-tokens", "64"], "64"),
    ],
)
def test_a_start_that_fails_is_one_clear_line(model, profiles, spoil, told):
    ended = run(*arguments(model, profiles), *spoil(profiles))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("tidegate-server: ")
    assert told in ended.stderr.splitlines()[-1]


def test_a_port_in_use_is_one_clear_line(model, profiles):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(*arguments(model, profiles), "--port", port)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"tidegate-server: host 127.0.0.1, port {port} can't be listened on: Address already in use"
    ]


def test_a_wrong_setting_is_one_clear_line_and_exit_code_two():
    ended = run("tidegate-server", "--port", "70000")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("tidegate-server: port: ")


def test_logs_are_json_on_request(model, profiles, tmp_path):
    log = tmp_path / "log"
    with running(arguments(model, profiles, "--log-format", "json"), log) as program:
        program.wait_for('"event": "hot"')
        assert all(line.startswith("{") for line in program.output.splitlines())

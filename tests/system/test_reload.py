"""SIGHUP: settings read anew by programs that go on answering."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from support.instances import PlayedInstance
from support.programs import Program, free_port, port_of, running, wait_until
from support.waiting import eventually

from tidegate.v1 import chat_pb2, chat_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

pytestmark = pytest.mark.beside


def reload(program: Program, settings: Path, said: str, line: str) -> None:
    """Change the file, send the signal, and wait for what the log says of it."""
    settings.write_text(said)
    program.process.send_signal(signal.SIGHUP)
    program.wait_for(line)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_balancer_takes_in_new_limits_while_a_call_goes_on(tmp_path: Path, workers: int):
    settings, port = tmp_path / "balancer.toml", free_port()
    settings.write_text("chat_wait_s = 30\n")
    command = ["tidegate-balancer", "--config", str(settings), "--port", str(port)]
    command += ["--workers", str(workers), "--log-format", "json"]
    async with PlayedInstance(chat_slots=1) as instance:
        with running([*command, "--instances", instance.address], tmp_path / "log") as program:
            await asyncio.to_thread(program.wait_for, "1 hot")
            await asyncio.to_thread(
                program.wait_for, "workers listen" if workers > 1 else "balancer listens"
            )
            async with grpc.aio.insecure_channel(
                f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0)]
            ) as channel:
                chat = chat_pb2_grpc.ChatStub(channel)
                instance.hold()
                first = asyncio.ensure_future(chat.Reply(chat_pb2.ReplyRequest(text="first")))
                await eventually(lambda: instance.in_flight == 1, 20)
                await asyncio.to_thread(
                    reload, program, settings, "chat_wait_s = 0.2\nport = 1\n", "settings reloaded"
                )
                with pytest.raises(grpc.aio.AioRpcError) as shed:
                    await chat.Reply(chat_pb2.ReplyRequest(text="second"), timeout=20)
                assert shed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                instance.release()
                assert (await first).text == "first"
            assert program.output.count('"setting": "chat_wait_s"') == workers
            assert program.stop() == 0


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["tidegate-balancer", "--instances", "127.0.0.1:1"], "balancer listens"),
        (["tidegate-server", "--model", "simulated", "--consul", "off"], " hot "),
    ],
)
def test_a_terminal_that_is_closed_ends_it_in_order(tmp_path: Path, command: list[str], line: str):
    """It comes as the same signal."""
    log, (master, slave) = tmp_path / "log", pty.openpty()
    program = str(Path(sys.executable).parent / command[0])
    with log.open("wb") as opened:
        # setsid makes the terminal that of the program's session, as a shell's is.
        process = subprocess.Popen(
            ["setsid", "--ctty", program, *command[1:], "--port", "0"],
            stdin=slave,
            stdout=opened,
            stderr=opened,
        )
    os.close(slave)
    try:
        wait_until(lambda: line in log.read_text(), line, 30)
        os.close(master)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "drain" in log.read_text()


async def test_settings_that_are_wrong_or_need_a_restart_are_named_and_change_nothing(
    tmp_path: Path,
):
    settings = tmp_path / "balancer.toml"
    settings.write_text("service_name = 'one'\n")
    command = ["tidegate-balancer", "--config", str(settings), "--port", "0"]
    with running([*command, "--instances", "127.0.0.1:1"], tmp_path / "log") as program:
        program.wait_for("balancer listens")
        reload(program, settings, "chat_wait_s = -1\n", "settings not reloaded")
        assert "chat_wait_s: -1 is not above 0" in program.output
        reload(program, settings, "service_name = 'two'\n", "settings need a restart")
        assert "service_name" in program.output
        assert program.stop() == 0


def test_a_server_checks_by_new_limits_and_keeps_the_old_ones_when_they_can_not_be(tmp_path: Path):
    settings = tmp_path / "server.toml"
    settings.write_text("max_text_characters = 100\n")
    command = ["tidegate-server", "--config", str(settings), "--model", "simulated"]
    with running([*command, "--port", "0", "--consul", "off"], tmp_path / "log") as program:
        program.wait_for(" hot ")
        with grpc.insecure_channel(f"127.0.0.1:{port_of(program)}") as channel:
            stub = sentiment_pb2_grpc.SentimentStub(channel)

            def is_taken(characters: int) -> bool:
                try:
                    stub.Classify(sentiment_pb2.ClassifyRequest(text="好" * characters))
                except grpc.RpcError as error:
                    return error.code() is not grpc.StatusCode.INVALID_ARGUMENT
                return True

            assert is_taken(50)
            reload(program, settings, "max_text_characters = 20\n", "settings reloaded")
            assert (is_taken(20), is_taken(50)) == (True, False)
            wrong = "max_text_characters = 100\ndefault_chat_profile = 'nobody'\n"
            reload(program, settings, wrong, "settings not reloaded")
            assert "default_chat_profile: 'nobody'" in program.output
            assert not is_taken(50)
        assert program.stop() == 0

"""What others wrote reaches a terminal as letters, whatever it would have a terminal do; a pipe gets it as it is."""

import asyncio
import os
import pty
from datetime import datetime, timezone

import grpc
import pytest
from support.scripted_service import Refusal, Service
from support.shell import Shell
from support.waiting import eventually

from tidegate.clients.commands.output import harmless
from tidegate.v1 import fleet_pb2

WIPE = "\x1b[2J"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("两行\n还有\t一栏\r\n", "两行\n还有\t一栏\r\n"),
        (f"{WIPE}\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("good\rbad", "good\\rbad"),
        ("\x9b2J\x7f\x00", "\\x9b2J\\x7f\\x00"),
        ("\x1b[1mours\x1b[0m", "\x1b[1mours\x1b[0m"),
        ("\x1b[1A", "\\x1b[1A"),
    ],
)
def test_what_a_terminal_obeys_is_shown(said: str, shown: str) -> None:
    assert harmless(said) == shown


async def test_a_reply_and_an_error_move_no_terminal(shell: Shell, service: Service) -> None:
    service.deltas = ["你好", WIPE, "，世界"]
    assert "你好\\x1b[2J，世界" in await shown_by(shell, "chat", "你好")
    assert f"你好{WIPE}，世界" in (await shell.run("chat", "你好")).stdout
    service.refusals.append(Refusal(grpc.StatusCode.INTERNAL, f"{WIPE}gone", ()))
    assert "\\x1b[2Jgone" in await shown_by(shell, "classify", "你好")


async def test_a_status_moves_no_terminal(shell: Shell, service: Service) -> None:
    scale = fleet_pb2.ScaleStatus(role=fleet_pb2.ROLE_BOTH, launched=1, minimum=1, maximum=2)
    decision = scale.decisions.add(reason=f"{WIPE}because", before=1, after=1)
    decision.at.FromDatetime(datetime(2026, 1, 2, tzinfo=timezone.utc))
    service.scales = [scale]
    shown = await shown_by(shell, "status")
    assert "\\x1b[2Jbecause" in shown


async def shown_by(shell: Shell, *arguments: str) -> str:
    """What a terminal gets from a command, which must not wipe it."""
    ours, theirs = pty.openpty()
    loop, shown = asyncio.get_running_loop(), bytearray()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 65536)))
    try:
        process = await shell.start(*arguments, stdout=theirs, stderr=theirs)
        await asyncio.wait_for(process.wait(), 20)
        await eventually(lambda: shown.endswith(b"\n"))
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        os.close(ours)
    assert WIPE.encode() not in shown
    return shown.decode()

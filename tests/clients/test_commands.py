from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys

import grpc
import pytest
from support.programs import run
from support.scripted_service import Refusal, Service, invalid, shed
from support.shell import Shell
from support.waiting import eventually


async def test_classify_begins_with_the_label(shell: Shell) -> None:
    done = await shell.run("classify", "今天的实验终于成功了，太棒了！")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "正面  0.98\n", "")


async def test_options_reach_the_service(shell: Shell, service: Service) -> None:
    await shell.run("classify", "-p", "shop", "--system-prompt", "判断", "--timeout", "5", "好")
    seen = service.seen[0]
    assert (seen.request.profile, seen.request.system_prompt) == ("shop", "判断")  # type: ignore[attr-defined]
    assert seen.left_s is not None
    assert seen.left_s < 6


async def test_several_texts_are_answered_in_their_order(shell: Shell) -> None:
    done = await shell.run("classify", "slow", "太差了", "好")
    assert done.stdout == "正面  0.98  slow\n负面  0.98  太差了\n正面  0.98  好\n"


async def test_stdin_is_read_a_text_a_line(shell: Shell) -> None:
    done = await shell.run("classify", "-", stdin="\ufeffslow\r\n\n太差了\n好".encode())
    assert done.stdout == "正面  0.98  slow\n负面  0.98  太差了\n正面  0.98  好\n"
    assert done.exit_code == 0


async def test_a_refused_line_does_not_stop_the_rest(shell: Shell) -> None:
    done = await shell.run("classify", "-", stdin=b"bon\nbad\n\xff\na\n")
    assert done.stdout == "正面  0.98  bon\n正面  0.98  a\n"
    assert "tidegate: text 2: refused: text: is bad" in done.stderr
    assert "tidegate: text 3: refused: text is not valid Unicode" in done.stderr
    assert done.exit_code == 2


async def test_lines_and_arguments_can_come_out_as_a_table(shell: Shell) -> None:
    head = "line,text,label,confidence,truncated,profile,profile_version,model,error"
    rest = "0.98,false,sentiment,0123456789ab,scripted,"
    done = await shell.run("classify", "-f", "csv", "-", stdin='太差了\n\n"好", a\n'.encode())
    assert done.stdout.splitlines() == [head, f"1,太差了,负面,{rest}", f'3,"""好"", a",正面,{rest}']
    one = await shell.run("classify", "-f", "csv", "好")
    assert one.stdout.splitlines() == [head, f"1,好,正面,{rest}"]
    refused = await shell.run("classify", "-o", "out.csv", "好")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "-o is for a file of texts" in refused.stderr


async def test_json_is_one_object_a_line(shell: Shell) -> None:
    one = json.loads((await shell.run("classify", "--json", "好")).stdout)
    assert (one["label"], one["scores"][0]["score"], one["degraded"]) == ("正面", 0.99, False)
    lines = (await shell.run("classify", "--json", "-", stdin="好\n差\n".encode())).stdout
    assert [json.loads(line)["item_id"] for line in lines.splitlines()] == ["1", "2"]
    reply = json.loads((await shell.run("chat", "--json", "你好")).stdout)
    assert (reply["text"], reply["finish_reason"]) == ("你好，世界", "stop")
    both = json.loads((await shell.run("judge", "--json", "你好")).stdout)
    assert (both["sentiment"]["label"], both["reply"]["text"]) == ("正面", "你好，世界")
    fleet = json.loads((await shell.run("status", "--json")).stdout)
    assert fleet["instances"][0]["phase"] == "hot"
    drained = json.loads((await shell.run("fleet", "drain", "x", "--json")).stdout)
    assert drained["phase"] == "draining"
    profiles = (await shell.run("profiles", "list", "--json")).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in profiles] == ["classify", "chat"]


@pytest.mark.parametrize(
    ("refusal", "exit_code", "line"),
    [
        (shed(30_000), 3, "tidegate: overloaded: the chat lane is full; try again in 30 s\n"),
        (shed(-1), 3, "tidegate: overloaded: the chat lane is full\n"),
        (invalid("text", "is blank"), 2, "tidegate: refused: text: is blank\n"),
        (
            Refusal(grpc.StatusCode.INTERNAL, "id 7f\nsorry"),
            1,
            "tidegate: failed (INTERNAL): id 7f sorry\n",
        ),
        (
            Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "too late"),
            1,
            "tidegate: no answer in time: too late; --timeout gives it longer\n",
        ),
        (
            Refusal(
                grpc.StatusCode.UNAVAILABLE,
                "no instance is hot",
                (
                    ("grpc-retry-pushback-ms", "20000"),
                    ("grpc-status-details-bin", shed(0).trailers[1][1]),
                ),
            ),
            4,
            "tidegate: unavailable: no instance is hot; try again in 20 s\n",
        ),
    ],
)
@pytest.mark.parametrize("command", [("classify",), ("chat",), ("judge",)])
async def test_an_error_is_one_line_and_an_exit_code(
    shell: Shell,
    service: Service,
    command: tuple[str, ...],
    refusal: Refusal,
    exit_code: int,
    line: str,
) -> None:
    service.refusals.append(refusal)
    done = await shell.run(*command, "--timeout", "15", "好")
    assert (done.exit_code, done.stdout, done.stderr) == (exit_code, "", line)


async def test_nobody_at_the_address_exits_with_4() -> None:
    done = await Shell("127.0.0.1:1").run("status", "--timeout", "2")
    assert done.exit_code == 4
    assert "nobody answers at 127.0.0.1:1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify",),
        ("nonsense",),
        ("chat", "--timeout", "0", "x"),
        ("classify", "--timeout", "inf", "x"),
        ("health", "--timeout", "1e300"),
        ("load", "--duration", "inf"),
        ("--nonsense",),
    ],
)
async def test_wrong_usage_exits_with_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    done = await shell.run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


async def test_help_documents_the_exit_codes(shell: Shell) -> None:
    for arguments in ([], ["classify"], ["chat"], ["judge"], ["status"], ["up"]):
        done = await shell.run(*arguments, "--help")
        assert done.exit_code == 0
        assert "Exit codes: 0 answered" in done.stdout


async def test_the_version_is_said(shell: Shell) -> None:
    assert (await shell.run("--version")).stdout.startswith("tidegate 0.")


async def test_the_label_is_shown_before_the_replys_first_word(
    shell: Shell, service: Service
) -> None:
    done = await shell.run("judge", "你好")
    assert done.stdout == "正面  0.98\n你好，世界\n"
    process = await shell.start("judge", "hang")
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 10) == "正面  0.98\n".encode()
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 10) == 130
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_a_reply_is_written_as_it_comes_and_ctrl_c_cancels_it(
    shell: Shell, service: Service
) -> None:
    process = await shell.start("chat", "hang")
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.read(6), 10) == "你好".encode()
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err) == (130, b"")
    await asyncio.wait_for(service.cancelled.wait(), 5)


@pytest.mark.parametrize("command", ["chat", "judge"])
async def test_a_person_is_told_how_long_the_warm_up_takes(
    shell: Shell, service: Service, command: str
) -> None:
    service.warming_ms = 8_200
    service.warm.clear()
    process = await shell.start(command, "你好")
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readline(), 20)
    assert said == b"(warming up, about 9 s)\n"
    service.warm.set()
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert out.decode().endswith("你好，世界\n")
    assert (process.returncode, err) == (0, b"")


async def test_ctrl_c_ends_a_call_that_waits(shell: Shell, service: Service) -> None:
    process = await shell.start("classify", "hang")
    await asyncio.wait_for(service.hanging.wait(), 10)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err) == (130, b"")


async def test_a_lost_stream_keeps_what_came_and_says_so(shell: Shell, service: Service) -> None:
    service.refuse_after_first = Refusal(grpc.StatusCode.UNAVAILABLE, "lost")
    done = await shell.run("chat", "你好")
    assert (done.exit_code, done.stdout) == (4, "你好\n")
    assert "lost" in done.stderr


async def test_a_dialogue_from_a_pipe_remembers_its_turns(shell: Shell, service: Service) -> None:
    done = await shell.run("chat", stdin="你好\n\n再见\n".encode())
    assert done.stdout == "你好，世界\n你好，世界\n"
    first, second = (seen.request for seen in service.seen)
    assert [turn.content for turn in second.turns] == ["你好", "你好，世界", "再见"]  # type: ignore[attr-defined]
    assert first.conversation_id == second.conversation_id != ""  # type: ignore[attr-defined]


async def test_in_a_dialogue_ctrl_c_stops_the_reply_and_ctrl_d_leaves(
    shell: Shell, service: Service
) -> None:
    ours, theirs = pty.openpty()
    shown = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 65536)))
    process = await shell.start(
        "chat", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        await eventually(lambda: b"> " in shown)
        os.write(ours, b"hang\n")
        await eventually(lambda: "你好".encode() in shown)
        process.send_signal(signal.SIGINT)
        await eventually(lambda: b"(stopped)" in shown)
        await asyncio.wait_for(service.cancelled.wait(), 5)
        # What is typed while the terminal changes hands may be lost.
        await eventually(lambda: shown.count(b"> ") >= 2)
        os.write(ours, "再见\n".encode())
        await eventually(lambda: "世界".encode() in shown)
        # What had been written before Ctrl-C is part of the conversation.
        turns = service.seen[-1].request.turns  # type: ignore[attr-defined]
        assert [turn.content for turn in turns] == ["hang", "你好", "再见"]
        await eventually(lambda: shown.count(b"> ") >= 3)
        os.write(ours, b"\x04")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_status_shows_instances_and_lanes(shell: Shell) -> None:
    done = await shell.run("status")
    assert done.exit_code == 0
    (instance,) = [line for line in done.stdout.splitlines() if "tidegate-here-50061" in line]
    assert instance.split() == [
        *("tidegate-here-50061", "127.0.0.1:50061", "hot", "both", "2/8", "1/4", "scripted")
    ]
    assert "1 (QUEUE_FULL 1)" in done.stdout
    assert "\x1b" not in done.stdout


async def test_a_watched_status_is_a_line_a_change(shell: Shell) -> None:
    done = await shell.run("status", "--watch")
    lanes = "chat: 2 waiting, 5 full, 0 degraded, 1 shed"
    phases = ("warming", "hot")
    assert done.stdout.splitlines() == [f"tidegate-here-50061 {each} | {lanes}" for each in phases]
    assert done.exit_code == 0


async def test_a_terminal_shows_a_watched_status_as_tables(shell: Shell) -> None:
    ours, theirs = pty.openpty()
    loop, shown = asyncio.get_running_loop(), bytearray()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 4096)))
    try:
        process = await shell.start("status", "--watch", stdout=theirs)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        # The last thing is that the cursor is back.
        await eventually(lambda: shown.endswith(b"\x1b[?25h"))
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        os.close(ours)
    # Once for each snapshot, the last of which stays when the watch is over.
    assert shown.count(b"discovery: static") >= 3
    assert 0 < shown.find(b"warming") < shown.rfind(b"hot")


async def test_a_terminal_waits_for_a_balancer_that_goes_away_and_a_pipe_ends(
    shell: Shell, service: Service
) -> None:
    ours, theirs = pty.openpty()
    loop, shown = asyncio.get_running_loop(), bytearray()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 65536)))
    service.watches_lost = 1
    try:
        process = await shell.start("status", "--watch", stdout=theirs)
        await eventually(lambda: b"the balancer is gone" in shown, within_s=20)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        await eventually(lambda: shown.endswith(b"\x1b[?25h"))
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        os.close(ours)
    lost = shown.rfind(b"the balancer is gone")
    assert shown.find(b"discovery: static", lost) > lost
    service.watches_lost = 1
    piped = await shell.run("status", "--watch")
    assert (piped.exit_code, len(piped.stdout.splitlines())) == (4, 2)


async def test_a_watched_status_as_json_is_an_object_a_snapshot(shell: Shell) -> None:
    lines = (await shell.run("status", "--watch", "--json")).stdout.splitlines()
    phases = [json.loads(line)["instances"][0]["phase"] for line in lines]
    assert phases == ["warming", "warming", "hot"]


async def test_a_drained_instance_is_named_with_its_phase(shell: Shell, service: Service) -> None:
    done = await shell.run("fleet", "drain", "tidegate-here-50061")
    assert (done.exit_code, done.stdout) == (0, "tidegate-here-50061: draining, 3 in flight\n")
    assert service.seen[0].request.instance_id == "tidegate-here-50061"  # type: ignore[attr-defined]


async def test_draining_an_unknown_instance_exits_with_2(shell: Shell, service: Service) -> None:
    service.refusals.append(invalid("instance_id", "is unknown"))
    done = await shell.run("fleet", "drain", "nobody")
    assert (done.exit_code, done.stderr) == (2, "tidegate: refused: instance_id: is unknown\n")


async def test_an_output_that_cannot_show_a_label_gets_no_traceback(shell: Shell) -> None:
    shell.environment["PYTHONIOENCODING"] = "ascii"
    done = await shell.run("classify", "好")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "??  0.98\n", "")


async def test_a_reader_that_leaves_gets_no_traceback(shell: Shell) -> None:
    process = await shell.start("classify", "-")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("好\n".encode() * 20)
    await process.stdin.drain()
    await asyncio.wait_for(process.stdout.readline(), 20)
    process.stdout._transport.close()  # type: ignore[attr-defined]
    # It is still waiting for more of stdin when it notices.
    process.stdin.write("好\n".encode() * 20_000)
    assert process.stderr is not None
    assert await asyncio.wait_for(process.stderr.read(), 20) == b""
    assert await asyncio.wait_for(process.wait(), 10) == 1


async def test_ctrl_c_while_it_waits_for_stdin_leaves_nothing_but_its_exit_code(
    shell: Shell,
) -> None:
    processes = [await shell.start("classify", "-") for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("好\n".encode())
        await process.stdin.drain()
    for process in processes:
        # Answered, and waiting for the next line.
        await asyncio.wait_for(process.stdout.readline(), 20)  # type: ignore[union-attr]
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.stderr.read(), 20) == b""  # type: ignore[union-attr]
        assert await asyncio.wait_for(process.wait(), 10) == 130


async def test_streams_that_are_closed_get_no_traceback(shell: Shell) -> None:
    for closed in ("<&-", ">&-", "2>&-"):
        words = f"{sys.executable} -m tidegate.clients classify - {closed}"
        process = await asyncio.create_subprocess_shell(
            words if closed == "<&-" else f"echo 好 | {words}",
            env={**os.environ, "TIDEGATE_ADDRESS": shell.address},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, said) == (0, b""), closed


def test_a_shell_can_complete_the_commands() -> None:
    typed = {"COMP_WORDS": "tidegate cla", "COMP_CWORD": "1"}
    assert run("tidegate", _TIDEGATE_COMPLETE="complete_bash", **typed).stdout.split() == [
        "classify"
    ]


async def test_nobody_who_wants_no_colour_gets_any(shell: Shell) -> None:
    shown: dict[str, bytes] = {}
    for asked in ("", "1"):
        ours, theirs = pty.openpty()
        try:
            shell.environment.update({"NO_COLOR": asked, "TERM": "xterm"})
            process = await shell.start("classify", "好", stdout=theirs)
            assert await asyncio.wait_for(process.wait(), 20) == 0
            shown[asked] = os.read(ours, 4096)
        finally:
            os.close(theirs)
            os.close(ours)
    assert b"\x1b[1m" in shown[""]
    assert b"\x1b" not in shown["1"]

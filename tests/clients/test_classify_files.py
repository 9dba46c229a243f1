"""`tidegate classify FILE`: what a person with a file of reviews meets."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import pty
import re
import signal
from pathlib import Path

import grpc
import pytest
from support.programs import port_of, running
from support.scripted_service import Refusal, Service, invalid, shed
from support.shell import Shell
from support.waiting import eventually


def rows(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as opened:
        return list(csv.DictReader(opened))


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Forty reviews, every tenth of them bad."""
    path = tmp_path / "reviews.csv"
    lines = [f"{n},{'太差了' if n % 10 == 0 else '好'} {n}" for n in range(40)]
    path.write_text("id,review\n" + "\n".join(lines) + "\n", "utf-8")
    return path


async def test_a_table_comes_out_in_its_order_with_all_its_columns(
    shell: Shell, service: Service, reviews: Path
) -> None:
    out = reviews.with_name("out.csv")
    edit(reviews, "好 3\n", "slow\n")
    done = await shell.run(
        *("classify", str(reviews), "--column", "review", "-o", str(out), "-p", "shop")
    )
    assert (done.exit_code, done.stdout) == (0, "")
    assert "40 records in" in done.stderr
    assert "0 of 40 with a problem" in done.stderr
    assert [row["id"] for row in rows(out)] == [str(n) for n in range(40)]
    labels = ["负面" if n % 10 == 0 else "正面" for n in range(40)]
    assert [row["label"] for row in rows(out)] == labels
    assert service.most_under_way > 1
    assert {seen.request.profile for seen in service.seen} == {"shop"}  # type: ignore[attr-defined]


async def test_what_is_wrong_is_named_by_its_line_and_the_rest_goes_on(
    shell: Shell, tmp_path: Path
) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    path.write_bytes(b'text,id\nbon,1\nbad,2\nx,y,z\n\xff,4\n"open,5\nlast,6\n')
    done = await shell.run("classify", str(path), "-o", str(out))
    assert done.exit_code == 2
    assert [line.partition("a.csv: ")[2] for line in done.stderr.splitlines()[:4]] == [
        "line 3: refused: text: is bad",
        "line 4: 3 fields, where the head names 2",
        "line 5: not utf-8 at its byte 1 (0xff); --encoding names another, such as gb18030",
        "line 6: a quote is opened and never closed",
    ]
    assert "4 of 6 with a problem" in done.stderr
    assert [(row["line"], row["label"], bool(row["error"])) for row in rows(out)] == [
        *(("2", "正面", False), ("3", "", True), ("4", "", True)),
        *(("5", "", True), ("6", "", True), ("7", "正面", False)),
    ]


async def test_equal_texts_of_a_file_are_asked_once_and_that_is_said(
    shell: Shell, service: Service, tmp_path: Path
) -> None:
    path, out = tmp_path / "reviews.csv", tmp_path / "out.csv"
    texts = ["好评", "好评", "太差了", "好评 ", "好评"] * 12
    path.write_text("text,id\n" + "".join(f"{t},{n}\n" for n, t in enumerate(texts)), "utf-8")
    done = await shell.run("classify", str(path), "-o", str(out))
    assert done.exit_code == 0
    assert "0 of 60 with a problem; 57 were equal to an earlier one" in done.stderr
    assert len(service.seen) == 3
    assert [row["text"] for row in rows(out)] == texts
    assert [row["label"] for row in rows(out)] == ["正面", "正面", "负面", "正面", "正面"] * 12


async def test_a_missing_column_is_said_before_anything_is_asked(
    shell: Shell, service: Service, reviews: Path
) -> None:
    done = await shell.run("classify", str(reviews), "-o", str(reviews.with_name("o.csv")))
    assert done.exit_code == 2
    assert "line 1: there is no column 'text', only 'id', 'review'" in done.stderr
    assert service.seen == []
    assert not reviews.with_name("o.csv").exists()


async def test_ctrl_c_loses_nothing_and_the_same_command_goes_on(
    shell: Shell, service: Service, reviews: Path
) -> None:
    out = reviews.with_name("out.csv")
    edit(reviews, "好 25", "hang")
    command = ("classify", str(reviews), "--column", "review", "-o", str(out))
    process = await shell.start(*command)
    await asyncio.wait_for(service.hanging.wait(), 10)
    await eventually(lambda: out.exists() and len(rows(out)) == 25)
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 130
    assert b"the same command goes on from there" in said
    assert len(rows(out)) == 25

    service.is_hanging = False
    asked = len(service.seen)
    done = await shell.run(*command)
    assert done.exit_code == 0
    assert "25 records are there already" in done.stderr
    assert [row["id"] for row in rows(out)] == [str(n) for n in range(40)]
    assert len(service.seen) - asked == 15
    whole = out.read_bytes()
    assert (await shell.run(*command)).exit_code == 0
    assert out.read_bytes() == whole
    assert len(service.seen) - asked == 15


async def test_two_thousand_lines_keep_their_order_however_often_it_is_stopped(
    shell: Shell, service: Service, tmp_path: Path
) -> None:
    path, out = tmp_path / "reviews.csv", tmp_path / "out.csv"
    texts = [f"{'太差了' if n % 7 == 0 else '好'} {n}" for n in range(2_000)]
    path.write_text("text\n" + "\n".join(texts) + "\n", "utf-8")
    command = ("classify", str(path), "--column", "text", "-o", str(out))
    for signal_number, goal in (
        (signal.SIGINT, 300),
        (signal.SIGKILL, 800),
        (signal.SIGTERM, 1200),
    ):
        process = await shell.start(*command)
        await eventually(lambda: out.exists() and out.read_bytes().count(b"\n") > goal, within_s=20)  # noqa: B023
        process.send_signal(signal_number)
        await asyncio.wait_for(process.wait(), 10)
    done = await shell.run(*command)
    assert done.exit_code == 0
    assert re.search(r"1\d{3} records are there already", done.stderr)
    assert [row["text"] for row in rows(out)] == texts
    assert [row["label"] for row in rows(out)] == [
        "负面" if n % 7 == 0 else "正面" for n in range(2_000)
    ]
    # What was under way when it was stopped is all that was asked twice.
    assert len(service.seen) < 2_000 + 3 * 64


async def test_an_output_of_another_input_is_never_overwritten_unasked(
    shell: Shell, reviews: Path
) -> None:
    out = reviews.with_name("out.csv")
    command = ("classify", str(reviews), "--column", "review", "-o", str(out))
    await shell.run(*command)
    before = out.read_bytes()
    edit(reviews, "好 7\n", "差 7\n")
    done = await shell.run(*command)
    assert (done.exit_code, out.read_bytes()) == (2, before)
    assert "its record 8 is not that of line 9" in done.stderr
    assert (await shell.run(*command, "--restart")).exit_code == 0
    assert rows(out)[7]["label"] == "负面"


async def test_an_overload_is_waited_out(shell: Shell, service: Service, tmp_path: Path) -> None:
    path, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    path.write_text("a\nb\nc\n", "utf-8")
    # One is told never to come back: that is waited out by us. The other two come back as told.
    service.refusals.extend([shed(5), shed(-1), shed(5)])
    done = await shell.run("classify", str(path), "-o", str(out))
    assert done.exit_code == 0
    assert "overloaded: the chat lane is full; going on in 2 s" in done.stderr
    assert [json.loads(line)["text"] for line in out.read_text("utf-8").splitlines()] == [*"abc"]


async def test_an_unknown_profile_ends_it_at_once(
    shell: Shell, service: Service, reviews: Path
) -> None:
    service.refusals.extend([invalid("profile", "'nope' is unknown")] * 40)
    done = await shell.run("classify", str(reviews), "--column", "review", "-p", "nope")
    assert done.exit_code == 2
    assert "stopped; 0 records" in done.stderr
    assert "reviews.csv: refused: profile: 'nope' is unknown" in done.stderr


async def test_a_fault_of_the_server_is_told_of_its_own_record_only(
    shell: Shell, service: Service, reviews: Path
) -> None:
    service.refusals.append(Refusal(grpc.StatusCode.INTERNAL, "id 7f"))
    done = await shell.run("classify", str(reviews), "--column", "review", "--format", "jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum("error" in line for line in lines) == 1
    assert (len(lines), done.exit_code) == (40, 2)


async def test_gbk_and_excels_mark_come_out_as_they_came_in(shell: Shell, tmp_path: Path) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    path.write_text("text\n太差了\n", "gbk")
    assert (
        await shell.run("classify", str(path), "--encoding", "gbk", "-o", str(out))
    ).exit_code == 0
    assert [(row["text"], row["label"]) for row in rows(out, "gbk")] == [("太差了", "负面")]
    path.write_text("text\n太差了\n", "utf-8-sig")
    assert (await shell.run("classify", str(path), "-o", str(out), "--restart")).exit_code == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert rows(out, "utf-8-sig")[0]["line"] == "2"


async def test_without_an_output_the_answers_are_lines_on_stdout(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("好\n太差了\n", "utf-8")
    done = await shell.run("classify", str(path))
    assert done.stdout == "正面  0.98  好\n负面  0.98  太差了\n"
    table = (await shell.run("classify", str(path), "--format", "csv")).stdout
    assert [row["label"] for row in csv.DictReader(table.splitlines())] == ["正面", "负面"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.csv",), "No such file"),
        (("a.csv", "-o", "a.csv"), "it is the input"),
        (("a.csv", "-o", "b"), "give it the ending .csv"),
        (("a.csv", "--encoding", "utf-16"), "iconv"),
        (("好", "-o", "b.csv"), "for a file of texts"),
    ],
)
async def test_what_cannot_be_read_or_written_is_one_line_and_exit_code_2(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    paths = [
        str(tmp_path / each) if each in {"none.csv", "a.csv", "b"} else each for each in arguments
    ]
    done = await shell.run("classify", *paths)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_a_terminal_shows_how_far_it_is(shell: Shell, reviews: Path) -> None:
    ours, theirs = pty.openpty()
    loop, shown = asyncio.get_running_loop(), bytearray()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 4096)))
    out = reviews.with_name("out.csv")
    try:
        process = await shell.start(
            *("classify", str(reviews), "--column", "review", "-o", str(out)), stderr=theirs
        )
        assert await asyncio.wait_for(process.wait(), 20) == 0
        await eventually(lambda: b"with a problem" in shown)
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        os.close(ours)
    assert b"reviews.csv" in shown
    assert b"100%" in shown


async def test_the_servers_batches_are_used(tmp_path: Path) -> None:
    """A server reads four labels in a step: where a step costs the same whatever is in it, that is the gain."""
    latency, path = tmp_path / "latency", tmp_path / "a.txt"
    latency.write_text("step_s = 0.1\nprompt_token_s = 0\nrow_s = 0\n")
    arguments = ["tidegate-server", "--model", f"simulated:{latency}", "--port", "0"]
    # No question after the text: four short ones fit into what any step may read.
    (tmp_path / "shop.toml").write_text(
        'kind = "classify"\nformat = "chatml"\nlabels = ["好", "差"]\n', "utf-8"
    )
    options = ["--consul", "off", "--step-ms", "60000", "--profiles", str(tmp_path)]
    options += ["--default-sentiment-profile", "shop"]
    with running([*arguments, *options], tmp_path / "log") as program:
        await asyncio.to_thread(program.wait_for, " hot ")
        shell = Shell(f"127.0.0.1:{port_of(program)}")
        paces = []
        for concurrency, count in ((1, 10), (16, 128)):
            path.write_text("".join(f"好 {n}\n" for n in range(count)), "utf-8")
            done = await shell.run("classify", str(path), "--concurrency", str(concurrency))
            assert done.exit_code == 0, done.stderr
            paces.append(float(re.findall(r"\(([\d.]+)/s\)", done.stderr)[0]))
    assert paces[1] >= 3 * paces[0], paces


async def test_a_reader_that_leaves_gets_no_traceback(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("好\n" * 20_000, "utf-8")
    process = await shell.start("classify", str(path))
    assert process.stdout is not None
    assert process.stderr is not None
    await asyncio.wait_for(process.stdout.readline(), 10)
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert await asyncio.wait_for(process.stderr.read(), 20) == b""
    assert await asyncio.wait_for(process.wait(), 10) == 1


async def test_a_sheet_stops_where_nobody_answers_and_says_so(
    service: Service, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    command = ("classify", str(reviews), "--column", "review", "-o", str(out))
    process = await Shell("127.0.0.1:1").start(*command, "--timeout", "1")
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readline(), 20)
    assert "nobody answers at 127.0.0.1:1" in said.decode()
    assert said.decode().endswith("going on in 2 s\n")
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 10) == 130
    assert (await Shell(service.address).run(*command)).exit_code == 0
    assert len(rows(out)) == 40

"""Forged and broken headers at real programs: nothing rises, nothing is believed, nothing gets into a log or a message as it was."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest
from support.attackers.connection import connect
from support.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    Header,
    block,
    frame,
    headers_of,
    message,
)
from support.raw_http2 import end_of_raw_call
from support.town import Town, at_peace, load_of, town

from tidegate.v1 import chat_pb2, sentiment_pb2, sentiment_pb2_grpc
from tidegate.v1.chat_pb2_grpc import ChatStub

pytestmark = [pytest.mark.beside, pytest.mark.timeout(120)]

QUICK = "step_s = 0.002\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 3\n"
CLASSIFY = "/tidegate.v1.Sentiment/Classify"
GOOD = sentiment_pb2.ClassifyRequest(text="好").SerializeToString()
FORGED = "\n2026-11-25T00:00:00Z [info     ] hot\r\x1b[2J\x1b]0;mine\x07\x7f\u202e"

BROKEN: list[list[Header]] = [
    [(b"x-a", b"b\r\nx-forged: 1")],
    [(b"x-a\r\nx-forged", b"1")],
    [(b"x-a", b"\x00")],
    [(b"", b"nameless")],
    [(b":path", b"/tidegate.v1.Fleet/Pin")],
    [(b":status", b"200")],
    [(b":forged", b"1")],
    [(b"x-before", b"1"), (b":authority", b"late")],
    [(b"content-length", b"99999999999999999999")],
    [(b"transfer-encoding", b"chunked")],
    [(b"connection", b"close")],
    [(b"host", b"other")],
    [(b"grpc-encoding", b"gzip")],
    [(b"grpc-encoding", b"nonsense")],
    [(b"grpc-timeout", b"")],
    [(b"grpc-timeout", b"nonsense")],
    [(b"grpc-timeout", b"-1S")],
    [(b"grpc-timeout", b"1e9S")],
    [(b"grpc-timeout", b"99999999999999999999n")],
    [(b"grpc-timeout", b"1S"), (b"grpc-timeout", b"99999999H")],
    [(b"grpc-status", b"0"), (b"grpc-message", b"%0a%0dforged")],
    [(b"traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01")],
    [(b"traceparent", b"\xff" * 55)],
    [(b"traceparent", b"00-" + b"f" * 32 + b"-" + b"f" * 16 + b"-ff")] * 20,
    [(b"tracestate", b"a=" + b"b" * 8000)],
    [(b"tidegate-previous-attempts", b"-1")],
    [(b"tidegate-previous-attempts", b"9" * 400)],
    [(b"tidegate-caller", b"\x1b[2J\r\n")],
    [(b"tidegate-profile", b"\x1b[2J")],
    [(b"tidegate-forbids", b"\x00")],
    [(b"tidegate-system-prompt-bin", b"////")],
    [(b"tidegate-load-bin", b"////")],
    [(b"endpoint-load-metrics-bin", b"////")],
]


@pytest.fixture(scope="module")
def quick_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town"), QUICK) as it:
        yield it


async def classify(it: Town, *metadata: tuple[str, str | bytes], **fields: str) -> object:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{it.aim.front}") as channel:
        stub = sentiment_pb2_grpc.SentimentStub(channel)
        asked = sentiment_pb2.ClassifyRequest(**{"text": "好", **fields})
        return await stub.Classify(asked, metadata=metadata, timeout=5)


def is_clean(it: Town) -> bool:
    text = "".join(it.logged().values())
    return "Traceback" not in text and all(each.isprintable() or each == "\n" for each in text)


async def test_headers_that_no_library_sends_are_answered_or_end_their_connection(quick_town: Town):
    it = quick_town
    await classify(it)
    before, calls = it.vitals(), await it.calls_open()
    ends = await asyncio.gather(
        *(
            end_of_raw_call(port, CLASSIFY, GOOD, headers)
            for headers in BROKEN
            for port in it.aim.grpc
        )
    )
    assert set(ends) <= {"trailers", "reset", "goaway", "closed"}
    await classify(it)
    await at_peace(it, before, calls, 10)
    assert is_clean(it)
    assert it.fallen() == []


@pytest.mark.parametrize(
    "path",
    [
        "/tidegate.v1.Sentiment/" + "x" * 4000,
        "/tidegate.v1.Sentiment/../Fleet/Pin",
        "//tidegate.v1.Sentiment/Classify",
        "/tidegate.v1.Sentiment/\x1b[2J",
        "tidegate.v1.Sentiment/Classify",
        "",
        "*",
        "/tidegate.v1.Sentiment/Classify\x00",
        "/tidegate.v1.Instance/GetLoad",
    ],
)
async def test_paths_that_nobody_serves_are_answered_and_are_in_no_log(quick_town: Town, path: str):
    for port in quick_town.aim.grpc:
        assert await end_of_raw_call(port, path, GOOD, []) != "open"
    text = "".join(quick_town.logged().values())
    assert path.lstrip("/*") == "" or path not in text
    assert is_clean(quick_town)


async def test_who_says_what_only_a_balancer_says_gains_nothing_by_it(quick_town: Town):
    it = quick_town
    async with grpc.aio.insecure_channel(f"127.0.0.1:{it.aim.front}") as channel:
        call = ChatStub(channel).Reply(
            chat_pb2.ReplyRequest(text="你好"),
            metadata=[
                ("tidegate-mode", "degraded"),
                ("tidegate-served-by", "me"),
                ("tidegate-queue-duration-ms", "-1"),
                ("tidegate-shared", "cache"),
            ],
            timeout=5,
        )
        answer, trailers = await call, dict(await call.trailing_metadata())
    assert not answer.degraded
    assert trailers["tidegate-served-by"].startswith("tidegate-127.0.0.1-")
    assert trailers["tidegate-queue-duration-ms"] == "0"
    assert "tidegate-shared" not in trailers


async def test_a_name_with_escapes_comes_back_as_escapes_and_stays_out_of_the_log(quick_town: Town):
    it = quick_town
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await classify(it, profile=FORGED)
    assert unknown.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (unknown.value.details() or "").isprintable()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{it.aim.front}") as channel:
        drain = channel.unary_unary("/tidegate.v1.Fleet/Drain")
        with pytest.raises(grpc.aio.AioRpcError) as nobody:
            await drain(b"\x0a" + bytes((len(FORGED.encode()),)) + FORGED.encode())
        with pytest.raises(grpc.aio.AioRpcError) as role:
            await ChatStub(channel).Reply(
                chat_pb2.ReplyRequest(turns=[chat_pb2.Turn(role=FORGED, content="x")])
            )
    assert (nobody.value.details() or "").isprintable()
    assert (role.value.details() or "").isprintable()
    assert is_clean(it)


async def test_a_goodbye_with_lines_of_its_own_writes_none_into_the_log(quick_town: Town):
    reason = b"\n2026-11-25T00:00:00Z [info     ] a forged line \x1b[2J"
    for port in quick_town.aim.grpc:
        it = await connect(port, Counter())
        assert it is not None
        stream = frame(HEADERS, END_HEADERS, 1, headers_of(CLASSIFY))
        it.write(stream + frame(DATA, END_STREAM, 1, message(GOOD)))
        it.write(frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x01" + reason))
        await it.drained()
        await asyncio.sleep(0.05)
        await it.leave()
    assert await end_of_raw_call(quick_town.aim.front, CLASSIFY, GOOD, []) == "trailers"
    assert "forged" not in "".join(quick_town.logged().values())
    assert is_clean(quick_town)


async def test_a_deadline_that_is_nonsense_holds_no_slot(quick_town: Town):
    for timeout in (b"99999999H", b"0n", b"1n", b"00000001n"):
        await end_of_raw_call(quick_town.aim.front, CLASSIFY, GOOD, [(b"grpc-timeout", timeout)])
    load = await load_of(quick_town.aim.server)
    assert all(each.in_flight == 0 for each in load.lanes)


def test_a_block_of_headers_says_what_it_was_given():
    assert block([(b"a", b"b")]) == b"\x00\x01a\x01b"

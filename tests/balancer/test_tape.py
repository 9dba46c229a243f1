import asyncio

import grpc
import pytest

from tidegate.balancer.tape import MAX_MESSAGES, Tape


class Caller:
    """Messages that the test feeds in."""

    def __init__(self, *messages: bytes) -> None:
        self.queue: asyncio.Queue[object] = asyncio.Queue()
        for message in messages:
            self.queue.put_nowait(message)

    async def read(self) -> object:
        return await self.queue.get()


async def pumped(tape: Tape) -> list[bytes]:
    written: list[bytes] = []

    async def write(message: bytes) -> None:
        written.append(message)

    await tape.pump(write)
    return written


async def test_what_was_sent_can_be_sent_again():
    tape = Tape(Caller(b"1", b"", grpc.aio.EOF).read)
    assert await pumped(tape) == [b"1", b""]
    assert tape.is_complete
    assert await pumped(tape) == [b"1", b""]


async def test_a_reader_that_is_cancelled_loses_no_message():
    caller = Caller()
    tape = Tape(caller.read)
    reader = asyncio.ensure_future(tape.message(0))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    caller.queue.put_nowait(b"late")
    assert await tape.message(0) == b"late"


async def test_after_the_first_answer_nothing_is_kept():
    tape = Tape(Caller(b"1", b"2", grpc.aio.EOF).read)
    assert await tape.message(0) == b"1"
    tape.stop_recording()
    assert await tape.message(1) == b"2"
    assert not tape.is_complete


async def test_a_long_stream_is_not_kept_for_ever():
    tape = Tape(Caller(*[b"x"] * (MAX_MESSAGES + 1), grpc.aio.EOF).read)
    assert len(await pumped(tape)) == MAX_MESSAGES + 1
    assert not tape.is_complete


async def test_closing_stops_the_reading():
    tape = Tape(Caller().read)
    reader = asyncio.ensure_future(tape.message(0))
    await asyncio.sleep(0)
    tape.close()
    with pytest.raises(asyncio.CancelledError):
        await reader
    tape.close()

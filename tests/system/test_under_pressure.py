"""Two hundred calls at once and a thousand callers who hang up: nobody unanswered, no slot lost.

One server with a tiny random model behind one balancer, as real processes.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from support.programs import free_port, running, wait_until

from tidegate.v1.chat_pb2 import Sampling, StreamReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.fleet_pb2 import GetStatusRequest, GetStatusResponse
from tidegate.v1.fleet_pb2_grpc import FleetStub
from tidegate.v1.instance_pb2 import GetLoadRequest, GetLoadResponse
from tidegate.v1.instance_pb2_grpc import InstanceStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest
from tidegate.v1.sentiment_pb2_grpc import SentimentStub


@pytest.fixture(scope="module")
def addresses(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Addresses of the balancer and of the one server behind it."""
    logs = tmp_path_factory.mktemp("pressure")
    server_port, balancer_port = free_port(), free_port()
    server, balancer = f"127.0.0.1:{server_port}", f"127.0.0.1:{balancer_port}"
    serve = ["tidegate-server", "--model", str(tiny_model), "--consul", "off"]
    balance = ["tidegate-balancer", "--instances", server, "--port", str(balancer_port)]
    with (
        running([*serve, "--port", str(server_port)], logs / "server") as first,
        running(balance, logs / "balancer"),
        grpc.insecure_channel(balancer) as channel,
    ):
        first.wait_for("hot", 60)

        def is_hot() -> bool:
            status: GetStatusResponse = FleetStub(channel).GetStatus(
                GetStatusRequest(), wait_for_ready=True, timeout=30
            )
            return [one.phase for one in status.instances] == [3]

        wait_until(is_hot, "the balancer seeing the instance hot")
        yield balancer, server


@pytest_asyncio.fixture
async def channel(addresses: tuple[str, str]) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(addresses[0]) as opened:
        yield opened


def hint(error: grpc.aio.AioRpcError) -> bool:
    """Return whether a refusal says when to come back, the same in every place."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert error.code().value[0] == status.code
    assert error.details() == status.message
    retry = error_details_pb2.RetryInfo()
    said = any(detail.Unpack(retry) for detail in status.details)
    pushback_ms = int(trailers["grpc-retry-pushback-ms"])
    return pushback_ms < 0 or (said and retry.retry_delay.ToMilliseconds() == pushback_ms)


async def settled(addresses: tuple[str, str]) -> tuple[GetStatusResponse, GetLoadResponse]:
    """Return what balancer and server say once neither holds a call; fail if that never comes."""
    async with (
        grpc.aio.insecure_channel(addresses[0]) as one,
        grpc.aio.insecure_channel(addresses[1]) as other,
    ):
        for _ in range(1500):
            status = await FleetStub(one).GetStatus(GetStatusRequest())
            load = await InstanceStub(other).GetLoad(GetLoadRequest())
            busy = [x.in_flight for x in status.instances] + [x.depth for x in status.lanes]
            if not any(busy) and not load.running and not load.waiting:
                return status, load
            await asyncio.sleep(0.02)
    raise AssertionError(f"slots are still held: {status} {load}")


def assert_conserved(status: GetStatusResponse) -> None:
    for lane in status.lanes:
        c = lane.counts
        ends = c.full + c.degraded + c.shed + c.expired + c.cancelled + c.failed
        assert c.offered == ends, lane


async def test_two_hundred_calls_at_once_end_in_an_answer_or_a_hint(
    addresses: tuple[str, str], channel: grpc.aio.Channel
) -> None:
    sentiment, chat = SentimentStub(channel), ChatStub(channel)
    refusals: list[grpc.aio.AioRpcError] = []

    async def one(number: int) -> str:
        try:
            if number % 2:
                await sentiment.Classify(ClassifyRequest(text=f"第{number}条评论"))
            else:
                request = StreamReplyRequest(text="你好", sampling=Sampling(max_tokens=64))
                async for event in chat.StreamReply(request):
                    last = event.WhichOneof("event")
                assert last == "end"
        except grpc.aio.AioRpcError as error:
            refusals.append(error)
            return "refused"
        return "answered"

    ends = Counter(await asyncio.gather(*(one(number) for number in range(200))))

    status, load = await settled(addresses)
    assert ends.total() == 200
    assert ends["answered"] >= 8
    overloaded = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
    assert {error.code() for error in refusals} <= overloaded
    assert all(map(hint, refusals))
    assert_conserved(status)
    assert load.slots == load.free_slots


async def test_a_thousand_random_cancellations_leak_no_slot(
    addresses: tuple[str, str], channel: grpc.aio.Channel
) -> None:
    rng = random.Random(5)
    sentiment, chat = SentimentStub(channel), ChatStub(channel)

    async def one(number: int) -> None:
        if number % 2:
            call = sentiment.Classify(ClassifyRequest(text=f"第{number}条评论"))
            work = asyncio.ensure_future(call)
        else:
            call = chat.StreamReply(StreamReplyRequest(text="你好"))
            work = asyncio.ensure_future(anext(aiter(call)))
        # Turns of the loop, not seconds: from before the call leaves to in the midst of it.
        for _ in range(rng.randrange(200)):
            await asyncio.sleep(0)
        call.cancel()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    for group in range(20):
        await asyncio.gather(*(one(50 * group + i) for i in range(50)))

    status, load = await settled(addresses)
    assert_conserved(status)
    assert sum(lane.counts.cancelled for lane in status.lanes) > 0
    assert load.slots == load.free_slots
    answer = await sentiment.Classify(ClassifyRequest(text="还在吗"))
    assert answer.label


async def test_a_deadline_already_past_is_said_as_such(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await SentimentStub(channel).Classify(ClassifyRequest(text="好"), timeout=0)

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_method_that_nobody_has_is_unimplemented(channel: grpc.aio.Channel) -> None:
    for path in ("/tidegate.v1.Sentiment/Nope", "/other.Service/Nope"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(path)(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED, path


async def test_bytes_that_are_no_text_are_refused_naming_the_field(
    channel: grpc.aio.Channel,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/tidegate.v1.Sentiment/Classify")(b"\x0a\x02\xff\xfe")

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(r"\btext\b", caught.value.details() or "")


async def test_a_message_over_the_size_limit_is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await SentimentStub(channel).Classify(ClassifyRequest(text="好" * 2_000_000))

    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

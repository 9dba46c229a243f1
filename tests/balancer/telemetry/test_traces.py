"""What a balancer tells a collector of its calls, over OTLP."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.request import Request, urlopen

import grpc
import pytest
from support.instances import PlayedInstance
from support.otlp import Collector, running_collector
from support.sidecars import Front, front_of
from support.waiting import eventually

from tidegate.v1 import chat_pb2, sentiment_pb2


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as it:
        yield it


@asynccontextmanager
async def traced_front(
    collector: Collector, instances: list[PlayedInstance], **settings: object
) -> AsyncIterator[Front]:
    """A balancer that traces; its spans are with the collector when the block is left."""
    async with front_of(instances, traces_to=collector.endpoint, **settings) as it:
        yield it


async def test_a_wait_and_a_shed_stand_in_the_span_with_their_reasons(collector: Collector):
    async with (
        PlayedInstance(chat_slots=1) as instance,
        traced_front(collector, [instance], chat_wait_s=0.3) as it,
    ):
        instance.hold()
        first = asyncio.ensure_future(it.chat.Reply(chat_pb2.ReplyRequest(text="first")))
        await eventually(lambda: instance.in_flight == 1)
        waits = asyncio.ensure_future(it.chat.Reply(chat_pb2.ReplyRequest(text="waits")))
        with pytest.raises(grpc.aio.AioRpcError):
            await waits
        late = asyncio.ensure_future(it.chat.Reply(chat_pb2.ReplyRequest(text="late")))
        await eventually(lambda: "1 waiting" in repr(it.sidecar.pool))
        instance.release()
        await first
        await late
        await it.at_rest()

    answered, shed, waited = collector.spans
    assert answered.happened == ["send", "first_byte"]
    assert shed.happened == ["wait", "shed"]
    assert shed.events[1].facts == {"tidegate.reason": "QUEUE_TIMEOUT"}
    assert shed.facts["error.type"] == "QUEUE_TIMEOUT"
    assert shed.facts["rpc.response.status_code"] == "RESOURCE_EXHAUSTED"
    assert shed.is_error
    assert waited.happened == ["wait", "send", "first_byte"]
    assert waited.events[0].facts["tidegate.estimated_wait_ms"] >= 0
    assert waited.facts["tidegate.lane"] == "chat"


async def test_a_lost_send_and_a_caller_who_hangs_up_are_told(collector: Collector):
    async with (
        PlayedInstance() as one,
        PlayedInstance() as other,
        traced_front(collector, [one, other], share_equal_calls=False) as it,
    ):
        for each in (one, other):
            each.hold()
        call = it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="gone"))
        await eventually(lambda: one.in_flight + other.in_flight == 1)
        has_it, spare = (one, other) if one.in_flight else (other, one)
        await has_it.stop()
        await eventually(lambda: spare.in_flight == 1)
        call.cancel()
        await it.at_rest()

    (span,) = collector.spans
    assert span.happened == ["send", "send_again", "send"]
    assert span.facts["rpc.response.status_code"] == "CANCELLED"
    assert span.facts["tidegate.outcome"] == "cancelled"


async def test_equal_calls_have_a_span_each_and_only_one_goes_on(collector: Collector):
    async with PlayedInstance() as instance, traced_front(collector, [instance]) as it:
        instance.hold()
        calls = [
            asyncio.ensure_future(it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="same")))
            for _ in range(2)
        ]
        await eventually(lambda: it.sidecar.sharing.waiting == (2,))
        instance.release()
        await asyncio.gather(*calls)
        (seen,) = instance.seen

    first, second = collector.spans
    assert (first.happened, second.happened) == (["send", "first_byte"], [])
    assert second.facts["tidegate.shared"] == "in-flight"
    assert seen["traceparent"].startswith(f"00-{first.trace_id}-{first.id}-")


@pytest.mark.parametrize("sampled", [True, False])
async def test_the_callers_own_decision_counts_more_than_the_share(
    collector: Collector, sampled: bool
):
    share = 0.0 if sampled else 1.0
    parent = f"00-{'a' * 32}-{'b' * 16}-0{int(sampled)}"
    said = (("traceparent", parent), ("tracestate", "theirs=1"), ("x-mine", "1"))
    async with (
        PlayedInstance() as instance,
        traced_front(collector, [instance], traces_share=share) as it,
    ):
        await it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="good"), metadata=said)
        (seen,) = instance.seen

    assert seen["traceparent"].startswith(f"00-{'a' * 32}-")
    # One that isn't traced stays a child of its caller's span.
    assert ("b" * 16 in seen["traceparent"]) is not sampled
    # The lowest bit says it; the next one that the id is random.
    assert int(seen["traceparent"][-2:], 16) & 1 == int(sampled)
    assert (seen["tracestate"], seen["x-mine"]) == ("theirs=1", "1")
    assert [each.parent_id for each in collector.spans] == (["b" * 16] if sampled else [])


async def test_a_call_that_falls_outside_the_share_is_traced_by_nobody_behind_either(
    collector: Collector,
):
    async with (
        PlayedInstance() as instance,
        traced_front(collector, [instance], traces_share=0.0) as it,
    ):
        for said in ((), (("traceparent", "what is this"),)):
            await it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="good"), metadata=said)
        headers = [each["traceparent"] for each in instance.seen]

    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", each) for each in headers)
    assert len(set(headers)) == 2
    assert collector.spans == []


async def test_a_point_of_the_durations_leads_to_its_trace(collector: Collector):
    async with (
        PlayedInstance() as instance,
        traced_front(collector, [instance], metrics_listen="127.0.0.1:0") as it,
    ):
        await it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="good"))
        await it.at_rest()
        url = f"http://127.0.0.1:{it.sidecar.metrics_port}/metrics"
        asked = Request(url, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
        text = await asyncio.to_thread(lambda: urlopen(asked, timeout=5).read().decode())

    (span,) = collector.spans
    assert f'# {{trace_id="{span.trace_id}"}}' in text
    assert span.service == "tidegate-balancer"


async def test_a_collector_that_is_away_costs_no_call_and_holds_up_no_end():
    async with PlayedInstance() as instance:
        began_s = asyncio.get_running_loop().time()
        async with front_of([instance], traces_to="http://127.0.0.1:1") as it:
            for number in range(20):
                request = sentiment_pb2.ClassifyRequest(text=str(number))
                assert (await it.sentiment.Classify(request)).label == str(number)
        assert asyncio.get_running_loop().time() - began_s < 10

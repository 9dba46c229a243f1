"""What a server tells a collector of its calls, over OTLP, after real calls through the real engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from support.otlp import Seen, running_collector
from support.served import Served, serve
from support.waiting import eventually

from tidegate.server.telemetry.traces import Traces
from tidegate.v1.chat_pb2 import JudgeAndReplyRequest, ReplyRequest, Sampling, StreamReplyRequest
from tidegate.v1.sentiment_pb2 import ClassifyRequest, ClassifyStreamRequest


@asynccontextmanager
async def traced(spans: list[Seen], share: float = 1.0) -> AsyncIterator[Served]:
    """A server that traces; its spans are in the list when the block is left."""
    with running_collector() as collector:
        traces = Traces(collector.endpoint, share, version="1", instance="i", model="scripted")
        async with serve(traces=traces, metrics_listen="127.0.0.1:0") as served:
            yield served
            await eventually(served.is_at_rest)
        await traces.stop()
        spans += collector.spans


def below(spans: list[Seen], parent: Seen) -> list[str]:
    return [each.name for each in spans if each.parent_id == parent.id]


async def test_a_label_waits_and_is_read_and_a_reply_is_written_too():
    spans: list[Seen] = []
    async with traced(spans) as served:
        # What is prepared once is part of the first call's trace.
        for _ in range(2):
            await served.sentiment.Classify(ClassifyRequest(text="很好"))
            async for _event in served.chat.JudgeAndReply(JudgeAndReplyRequest(text="很好")):
                pass

    label, judged = [each for each in spans if not each.parent_id][-2:]
    assert below(spans, label) == ["queue", "prefill"]
    assert below(spans, judged) == ["queue", "prefill", "prefill", "decode"]
    assert label.facts["gen_ai.operation.name"] == "classify"
    assert label.facts["gen_ai.usage.output_tokens"] == 0
    assert judged.facts["gen_ai.usage.output_tokens"] > 0
    assert judged.facts["gen_ai.usage.cache_read.input_tokens"] > 0
    assert judged.facts["gen_ai.response.time_to_first_chunk"] > 0
    assert judged.facts["gen_ai.request.model"] == "scripted"


async def test_a_span_says_why_its_reply_ended_and_nothing_where_none_was_written_to_its_end():
    spans: list[Seen] = []
    async with traced(spans) as served:
        for most in (100, 1):
            await served.chat.Reply(ReplyRequest(text="你好", sampling=Sampling(max_tokens=most)))
        await served.sentiment.Classify(ClassifyRequest(text="很好"))
        call = served.chat.StreamReply(StreamReplyRequest(text="你好"))
        served.model.hold()
        await eventually(lambda: not served.admission.is_idle)
        call.cancel()
        await eventually(lambda: served.admission.is_idle)
        served.model.release()

    said = [
        each.facts.get("gen_ai.response.finish_reasons") for each in spans if not each.parent_id
    ]
    assert said == [["stop"], ["length"], None, None]


async def test_a_refused_call_and_one_that_was_hung_up_say_so():
    spans: list[Seen] = []
    async with traced(spans) as served:
        with pytest.raises(grpc.aio.AioRpcError):
            await served.sentiment.Classify(ClassifyRequest())
        served.model.hold()
        call = served.chat.StreamReply(StreamReplyRequest(text="你好"))
        await eventually(lambda: not served.admission.is_idle)
        call.cancel()
        await eventually(lambda: served.admission.is_idle)
        served.model.release()

    refused, gone = [each for each in spans if not each.parent_id]
    assert (refused.facts["error.type"], refused.is_error) == ("INVALID_ARGUMENT", True)
    assert gone.facts["rpc.response.status_code"] == "CANCELLED"


async def test_all_items_of_a_stream_are_parts_of_its_span():
    spans: list[Seen] = []
    async with traced(spans) as served:
        await served.sentiment.Classify(ClassifyRequest(text="先准备好"))
        items = [
            ClassifyStreamRequest(
                item_id=str(number), request=ClassifyRequest(text=f"第{number}条")
            )
            for number in range(3)
        ]
        assert len([each async for each in served.sentiment.ClassifyStream(iter(items))]) == 3

    stream = next(each for each in spans if each.name.endswith("ClassifyStream"))
    assert sorted(below(spans, stream)) == ["prefill"] * 3 + ["queue"] * 3


async def test_nothing_is_kept_of_a_call_outside_the_share():
    spans: list[Seen] = []
    async with traced(spans, share=0.0) as served:
        await served.sentiment.Classify(ClassifyRequest(text="很好"))
    assert spans == []

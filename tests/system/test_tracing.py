"""One trace across client, balancer and server, as a collector gets it over OTLP."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import grpc
import pytest
from support.instances import PlayedInstance
from support.metrics import scrape_now
from support.otlp import Collector, Seen, running_collector, tree
from support.programs import free_port, running
from support.sidecars import Front, front_of
from support.waiting import eventually

from tidegate.v1 import chat_pb2, sentiment_pb2

DOC = Path(__file__).resolve().parents[2] / "docs" / "tracing.md"
METHOD = "tidegate.v1.Chat/JudgeAndReply"


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


def events_of(span: Seen) -> list[str]:
    return [each.name.removeprefix("tidegate.") for each in span.events]


def test_one_trace_goes_from_the_command_line_through_the_balancer_into_the_engine(
    collector: Collector, tmp_path: Path
):
    ports = [free_port() for _ in range(3)]
    traces = ["--traces-to", collector.endpoint]
    fast = tmp_path / "fast.toml"
    fast.write_text("step_s = 0.01\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 5\n")
    model = f"simulated:{fast}"
    serving = ["tidegate-server", "--model", model, "--consul", "off", "--port", str(ports[0])]
    serving += ["--metrics-listen", f"127.0.0.1:{ports[2]}"]
    balancing = ["tidegate-balancer", "--instances", f"127.0.0.1:{ports[0]}"]
    with (
        running([*serving, *traces], tmp_path / "server") as server,
        running([*balancing, "--port", str(ports[1]), *traces], tmp_path / "balancer") as balancer,
    ):
        server.wait_for(" hot ")
        balancer.wait_for("1 hot")
        asking = ["tidegate", *traces, "judge", "很好", "--address", f"127.0.0.1:{ports[1]}"]
        # What is prepared once is part of the first trace, so look at the second.
        for name in ("first", "second"):
            with running(asking, tmp_path / name) as judge:
                assert judge.process.wait(30) == 0, judge.output
        read = scrape_now(ports[2], Accept="application/openmetrics-text;version=1.0.0")
        assert read("gen_ai_server_request_duration_seconds_count", lane="chat", error_type="") == 2
        assert balancer.stop() == 0
        assert server.stop() == 0

    last = collector.spans[-1].trace_id
    spans = [each for each in collector.spans if each.trace_id == last]
    client, balanced, served = (
        next(each for each in spans if (each.service, each.name) == who)
        for who in (
            ("tidegate", "JudgeAndReply"),
            ("tidegate-balancer", METHOD),
            ("tidegate-server", METHOD),
        )
    )
    assert (client.parent_id, balanced.parent_id, served.parent_id) == ("", client.id, balanced.id)
    assert len({each.trace_id for each in spans}) == 1
    parts = [each for each in spans if each.parent_id == served.id]
    assert [each.name for each in parts] == ["queue", "prefill", "prefill", "decode"]
    assert all(one.ended_ns <= other.began_ns for one, other in pairwise(parts))
    assert served.began_ns <= parts[0].began_ns
    assert parts[-1].ended_ns <= served.ended_ns
    assert events_of(balanced) == ["send", "first_byte"]
    assert balanced.facts["tidegate.outcome"] == "full"
    assert balanced.facts["tidegate.served_by"] == f"tidegate-127.0.0.1-{ports[0]}"
    assert served.facts["gen_ai.operation.name"] == "chat"
    assert served.facts["gen_ai.request.model"] == model
    assert served.facts["gen_ai.usage.input_tokens"] > 0
    assert served.facts["gen_ai.usage.output_tokens"] == 6, "five, and the end"
    assert served.facts["rpc.response.status_code"] == "OK"
    assert shape(tree(spans)) == shape(documented())


def shape(lines: list[str]) -> list[str]:
    """The lines without their times."""
    return [re.sub(r"^[\d. ms]+(?=[a-z·])", "", line).strip() for line in lines]


def documented() -> list[str]:
    """The trace that docs/tracing.md shows."""
    (block,) = re.findall(r"```trace\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    return block.splitlines()


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
    assert events_of(answered) == ["send", "first_byte"]
    assert events_of(shed) == ["wait", "shed"]
    assert shed.events[1].facts == {"tidegate.reason": "QUEUE_TIMEOUT"}
    assert shed.facts["error.type"] == "QUEUE_TIMEOUT"
    assert shed.facts["rpc.response.status_code"] == "RESOURCE_EXHAUSTED"
    assert shed.is_error
    assert events_of(waited) == ["wait", "send", "first_byte"]
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
    assert events_of(span) == ["send", "send_again", "send"]
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
    assert (events_of(first), events_of(second)) == (["send", "first_byte"], [])
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


NOTHING = """
import asyncio, sys
from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.sidecar import Sidecar
from tidegate.server.config import ServerSettings
from tidegate.server.life import Life
from tidegate.clients import Client
async def main():
    Sidecar(BalancerSettings(instances="127.0.0.1:1"), "test")
    Life(ServerSettings(model="simulated"))
asyncio.run(main())
Client().close()
print([each for each in sys.modules if each.startswith("opentelemetry")])
"""


def test_where_nobody_traces_nothing_of_it_is_even_imported():
    said = subprocess.run(
        [sys.executable, "-c", NOTHING], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1] == "[]"


IN_AN_APPLICATION = """
import asyncio, sys
from tidegate.clients import AsyncClient, Client, TidegateError, tracing
tracing.export_to(sys.argv[1], "1")
from opentelemetry import trace
async def ask():
    async with AsyncClient(sys.argv[2], timeout_s=2, attempts=2) as client:
        with trace.get_tracer("shop").start_as_current_span("handle ticket"):
            await client.classify("good")
            stream = client.stream_reply("one two")
            await anext(stream)
            await stream.aclose()
asyncio.run(ask())
with Client("127.0.0.1:1", timeout_s=2, attempts=2) as client:
    try:
        client.classify("nobody")
    except TidegateError:
        pass
trace.get_tracer_provider().shutdown()
"""


async def test_a_call_is_part_of_what_its_application_traces_attempts_included(
    collector: Collector,
):
    async with PlayedInstance() as instance, traced_front(collector, [instance]) as it:
        address = f"127.0.0.1:{it.sidecar.port}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", IN_AN_APPLICATION, collector.endpoint, address)
        )
        assert await process.wait() == 0

    spans = {each.name: each for each in collector.spans if each.service == "tidegate"}
    assert spans["Classify"].is_error, "the last one of that name: nobody was there"
    assert spans["Classify"].facts["error.type"] == "UNAVAILABLE"
    ticket, stream = spans["handle ticket"], spans["StreamReply"]
    assert stream.parent_id == ticket.id
    assert not stream.is_error
    balanced = [each for each in collector.spans if each.service == "tidegate-balancer"]
    assert {each.trace_id for each in balanced} == {ticket.trace_id}

"""A call is a span of the program that makes it, where that program traces."""

from __future__ import annotations

import asyncio
import sys

from support.instances import PlayedInstance
from support.otlp import running_collector
from support.sidecars import front_of

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


async def test_a_call_is_part_of_what_its_application_traces_attempts_included() -> None:
    with running_collector() as collector:
        async with (
            PlayedInstance() as instance,
            front_of([instance], traces_to=collector.endpoint) as it,
        ):
            address = f"127.0.0.1:{it.sidecar.port}"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", IN_AN_APPLICATION, collector.endpoint, address)
            )
            assert await process.wait() == 0
        seen = collector.spans

    spans = {each.name: each for each in seen if each.service == "tidegate"}
    assert spans["Classify"].is_error, "the last one of that name: nobody was there"
    assert spans["Classify"].facts["error.type"] == "UNAVAILABLE"
    ticket, stream = spans["handle ticket"], spans["StreamReply"]
    assert stream.parent_id == ticket.id
    assert not stream.is_error
    balanced = [each for each in seen if each.service == "tidegate-balancer"]
    assert {each.trace_id for each in balanced} == {ticket.trace_id}

"""The metrics as they are read over HTTP, from a whole balancer with real calls."""

import asyncio
import socket
import time
from collections.abc import Awaitable

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from support.instances import PlayedInstance, refusal_trailers
from support.metrics import Scrape, scrape
from support.sidecars import Front, front, front_of
from support.waiting import eventually

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.sidecar import StartError
from tidegate.balancer.telemetry.catalogue import CATALOGUE
from tidegate.balancer.telemetry.meter import ENDINGS
from tidegate.v1 import chat_pb2, fleet_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="positive")
HELLO = chat_pb2.ReplyRequest(text="hello")
LISTEN = {"metrics_listen": "127.0.0.1:0"}


async def failing(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def play_every_ending(it: Front, instance: PlayedInstance) -> None:
    """Calls that end in each way that there is; the instance has one slot for a chat."""
    await it.sentiment.Classify(GOOD)
    assert await failing(it.sentiment.Classify(sentiment_pb2.ClassifyRequest()))
    refuse_once = iter([True])
    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def refuse(context: grpc.aio.ServicerContext) -> object:
        taken = context.abort(code, "", refusal_trailers(code, "SLOTS_TAKEN"))
        if next(refuse_once, False):
            return taken
        taken.close()
        return None

    instance.on_call = refuse
    await it.sentiment.Classify(GOOD)
    instance.on_call = lambda context: context.abort(grpc.StatusCode.INTERNAL, "")
    assert await failing(it.sentiment.Classify(GOOD)) is grpc.StatusCode.INTERNAL
    instance.on_call = None

    instance.hold()
    assert await failing(it.sentiment.Classify(GOOD, timeout=0.1))
    await eventually(lambda: instance.in_flight == 0)
    gone = it.sentiment.Classify(GOOD)
    await eventually(lambda: instance.in_flight == 1)
    gone.cancel()
    await eventually(lambda: it.tally(Lane.SENTIMENT).cancelled == 1)
    await eventually(lambda: instance.in_flight == 0)

    # A chat that takes its time, so that the next one would wait long enough for a short answer.
    first = it.chat.Reply(HELLO)
    began_s = time.monotonic()
    waiting = it.chat.Reply(HELLO, metadata=(("tidegate-caller", "who-is-secret"),))
    await eventually(lambda: it.tally(Lane.CHAT).offered == 2)
    assert await failing(it.chat.Reply(HELLO)) is code
    await eventually(lambda: time.monotonic() - began_s > 0.2)
    instance.release()
    await asyncio.gather(first, waiting)
    instance.hold()
    running = asyncio.ensure_future(it.chat.Reply(HELLO))
    await eventually(lambda: instance.in_flight == 1)
    assert (await it.chat.Reply(HELLO)).degraded
    instance.release()
    await running


async def test_every_outcome_is_counted_as_the_status_counts_it():
    instance = PlayedInstance(sentiment_slots=4, chat_slots=1, degraded_slots=1)
    settings = {"chat_queue_limit": 1, "degrade_enter_s": 0.1, "degrade_leave_s": 0.05, **LISTEN}
    async with instance, front_of([instance], **settings) as it:
        await play_every_ending(it, instance)
        await it.at_rest()
        seen = await scrape(it.sidecar.metrics_port)
        status = await it.fleet.GetStatus(fleet_pb2.GetStatusRequest())

    for lane in status.lanes:
        counts = {key: int(count) for key, count in MessageToDict(lane.counts).items()}
        assert seen("tidegate_calls_offered_total", lane=lane.lane) == counts.pop("offered")
        for ending in ENDINGS:
            count = counts.get(ending, 0)
            ended = {"lane": lane.lane, "outcome": ending}
            assert seen("tidegate_calls_ended_total", **ended) == count
            assert seen("tidegate_call_duration_seconds_count", **ended) == count
        assert seen.total("tidegate_calls_shed_total", lane=lane.lane) == counts.get("shed", 0)
    for ending in ENDINGS:
        assert seen.total("tidegate_calls_ended_total", outcome=ending) > 0, ending
    assert seen("tidegate_calls_shed_total", lane="chat", reason="QUEUE_FULL") == 1
    assert seen("tidegate_sends_total", lane="sentiment", outcome="refused") == 1
    assert seen("tidegate_sends_total", lane="sentiment", outcome="invalid") == 1
    assert seen("tidegate_sends_total", lane="degraded", outcome="degraded") == 1
    assert seen("tidegate_resends_total", lane="sentiment", after="refused") == 1
    assert seen("tidegate_degraded_switches_total", to="on") == 1
    # One chat waited, with no estimate yet, for as long as the one before it took.
    assert seen("tidegate_queue_duration_seconds_count", lane="chat") == 4
    assert seen("tidegate_queue_duration_seconds_sum", lane="chat") >= 0.15
    assert seen("tidegate_queue_estimate_error_seconds_bucket", lane="chat", le="+Inf") == 1
    assert seen("tidegate_queue_estimate_error_seconds_bucket", lane="chat", le="0.1") == 0
    assert seen("tidegate_time_to_first_byte_seconds_count", lane="sentiment") == 2
    assert_nobody_is_named(seen, instance)


def assert_nobody_is_named(seen: Scrape, instance: PlayedInstance) -> None:
    said = set().union(*(seen.values_of(label) for label in ("lane", "outcome", "reason", "after")))
    assert not {each for each in said if "secret" in each}
    labels = {key for _, each in seen.samples for key, _ in each}
    known = {label for metric in CATALOGUE for label in metric.labels}
    # Those of the process, of Python's own collector.
    assert labels <= known | {"le"}
    assert seen.values_of("instance") == {instance.id}


async def test_offered_is_ended_waiting_and_in_flight_at_any_instant():
    async with PlayedInstance(chat_slots=2) as instance, front_of([instance], **LISTEN) as it:
        instance.hold()
        calls = [it.chat.Reply(HELLO) for _ in range(5)]
        await eventually(lambda: it.tally(Lane.CHAT).offered == 5)
        calls[4].cancel()
        await eventually(lambda: it.tally(Lane.CHAT).cancelled == 1)
        seen = await scrape(it.sidecar.metrics_port)
        instance.release()
        await asyncio.gather(*calls[:4])

    offered = seen.total("tidegate_calls_offered_total")
    ended = seen.total("tidegate_calls_ended_total")
    waiting = seen.total("tidegate_calls_waiting")
    assert (offered, ended, waiting) == (5, 1, 2)
    assert offered == ended + waiting + seen("tidegate_calls_in_flight")
    at_instance = {"instance": instance.id, "lane": "chat"}
    for name in ("slots", "limit", "in_flight"):
        assert seen(f"tidegate_instance_{name}", **at_instance) == 2
    assert seen("tidegate_instances", phase="hot") == 1
    assert seen("tidegate_build_info", version="test") == 1


async def test_a_call_that_an_equal_one_answers_is_counted_apart():
    async with PlayedInstance() as instance, front_of([instance], **LISTEN) as it:
        instance.hold()
        calls = [asyncio.ensure_future(it.sentiment.Classify(GOOD)) for _ in range(3)]
        await eventually(lambda: it.sidecar.sharing.waiting == (3,))
        instance.release()
        await asyncio.gather(*calls)
        seen = await scrape(it.sidecar.metrics_port)

    assert seen("tidegate_calls_answered_beside_total", lane="sentiment", how="shared") == 2
    assert seen("tidegate_calls_offered_total", lane="sentiment") == 3
    assert seen("tidegate_calls_ended_total", lane="sentiment", outcome="full") == 3
    assert seen("tidegate_sends_total", lane="sentiment", outcome="full") == 1


async def test_a_lost_instance_shows_as_a_resend_and_an_ejection():
    async with (
        PlayedInstance() as first,
        PlayedInstance() as second,
        front_of([first, second], share_equal_calls=False, **LISTEN) as it,
    ):
        first.hold()
        second.hold()
        calls = [it.sentiment.Classify(GOOD) for _ in range(6)]
        await eventually(lambda: first.in_flight + second.in_flight == 6)
        second.release()
        await first.stop()
        await asyncio.gather(*calls)
        seen = await scrape(it.sidecar.metrics_port)
        # The loop is looked at fifty times a second; on a quiet machine all of this takes less time than that.
        while not seen("tidegate_event_loop_lag_seconds_count"):
            await asyncio.sleep(0.01)
            seen = await scrape(it.sidecar.metrics_port)
        await first.start(first.port)

    assert seen("tidegate_resends_total", lane="sentiment", after="lost") == 3
    assert seen("tidegate_sends_total", lane="sentiment", outcome="lost") == 3
    assert seen("tidegate_ejections_total") == 1
    assert seen("tidegate_event_loop_lag_seconds_count") > 0


async def test_every_metric_of_the_catalogue_is_there_and_no_other_of_ours():
    async with front(instances="127.0.0.1:1", **LISTEN) as it:
        seen = await scrape(it.sidecar.metrics_port)
        only = await scrape(it.sidecar.metrics_port, "/metrics?name[]=tidegate_calls_in_flight")
    ours = {name: kind for name, kind in seen.kinds.items() if name.startswith("tidegate_")}
    assert ours == {metric.name: metric.kind for metric in CATALOGUE}
    assert all(seen.meanings[metric.name] == metric.meaning for metric in CATALOGUE)
    assert seen("process_resident_memory_bytes") > 0
    assert set(only.kinds) == {"tidegate_calls_in_flight"}
    for lane in QUEUES:
        assert seen("tidegate_calls_offered_total", lane=lane.value) == 0


async def test_a_taken_metrics_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        problem = f"^can't serve metrics on 127.0.0.1:{port}: Address already in use$"
        with pytest.raises(StartError, match=problem):
            async with front(instances="127.0.0.1:1", metrics_listen=f"127.0.0.1:{port}"):
                pass

"""The server's metrics as they are read over HTTP, after real calls through the real engine."""

import asyncio
import socket

import grpc
import pytest
from support.metrics import scrape, scrape_now
from support.served import Served, serve, unpack
from support.waiting import eventually

from tidegate.server.config import ServerSettings, SettingsError, read_settings
from tidegate.server.life import Life
from tidegate.server.start_error import StartError
from tidegate.server.telemetry.catalogue import CATALOGUE
from tidegate.v1.chat_pb2 import JudgeAndReplyRequest, ReplyRequest
from tidegate.v1.sentiment_pb2 import ClassifyRequest

GOOD = ClassifyRequest(text="味道很好")
LISTEN = {"metrics_listen": "127.0.0.1:0"}


@pytest.fixture
async def served():
    async with serve(sentiment_slots=2, chat_slots=1, **LISTEN) as it:
        yield it


async def refused(call) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return unpack(caught.value).reason


async def test_every_ending_of_a_call_is_counted_once(served: Served):
    await served.sentiment.Classify(GOOD)
    assert await refused(served.sentiment.Classify(ClassifyRequest())) == "INVALID_ARGUMENT"
    await served.chat.Reply(ReplyRequest(text="你好"))
    async for _ in served.chat.JudgeAndReply(JudgeAndReplyRequest(text="很好")):
        pass

    served.model.hold()
    calls = [asyncio.ensure_future(served.sentiment.Classify(GOOD)) for _ in range(2)]
    await eventually(lambda: not served.admission.is_idle)
    await eventually(lambda: served.admission.utilization["sentiment"] == 1.0)
    assert await refused(served.sentiment.Classify(GOOD)) == "SLOTS_TAKEN"
    busy = await scrape(served.metrics_port)
    calls[1].cancel()
    await eventually(lambda: served.admission.utilization["sentiment"] == 0.5)
    served.model.release()
    await calls[0]
    await eventually(served.is_at_rest)
    seen = await scrape(served.metrics_port)

    lane = {"lane": "sentiment"}
    assert busy("tidegate_server_lane_in_flight", **lane) == 2
    assert busy("vllm:num_requests_running") + busy("vllm:num_requests_waiting") == 2
    duration = "gen_ai_server_request_duration_seconds_count"
    endings = {"": 2, "INVALID_ARGUMENT": 1, "SLOTS_TAKEN": 1, "CANCELLED": 1}
    for error_type, count in endings.items():
        assert seen(duration, error_type=error_type, **lane) == count
    assert seen.total(duration, lane="sentiment") == sum(endings.values())
    assert seen("tidegate_server_calls_refused_total", reason="SLOTS_TAKEN", **lane) == 1
    assert seen(duration, lane="chat", error_type="") == 2
    assert seen("tidegate_server_lane_in_flight", **lane) == 0
    assert seen("tidegate_server_slots_free") == seen("tidegate_server_slots") > 0


async def test_what_the_engine_did_is_told_as_its_load_tells_it(served: Served):
    before = served.engine.load()
    answer = await served.chat.Reply(ReplyRequest(text="你好"))
    await eventually(served.is_at_rest)
    seen, load = await scrape(served.metrics_port), served.engine.load()

    assert seen("tidegate_server_steps_total") == load.steps > before.steps
    assert seen("tidegate_server_computed_tokens_total") == load.computed_tokens
    assert seen("tidegate_server_cached_tokens_total") == load.cached_tokens
    assert seen("tidegate_server_sequences_ended_total", ending="finished") == load.finished
    assert seen("vllm:prompt_tokens_total") == answer.usage.prompt_tokens
    assert seen("vllm:generation_tokens_total") == answer.usage.completion_tokens > 1
    for name in ("gen_ai_server_time_to_first_token", "gen_ai_server_time_per_output_token"):
        assert seen(f"{name}_seconds_count") == 1
    assert seen("vllm:request_queue_time_seconds_count") == 1


async def test_every_metric_of_the_catalogue_is_there(served: Served):
    await refused(served.sentiment.Classify(ClassifyRequest()))
    seen = await scrape(served.metrics_port)
    ours = {
        name: kind
        for name, kind in seen.kinds.items()
        if name.startswith(("tidegate_", "vllm:", "gen_ai_"))
    }
    assert ours == {metric.name: metric.kind for metric in CATALOGUE}
    assert all(seen.meanings[metric.name] == metric.meaning for metric in CATALOGUE)


async def test_a_caller_without_a_balancer_hears_how_long_its_call_waited(served: Served):
    served.model.hold()
    # One chat slot: the engine is busy with it, and a label waits for the step to end.
    chat = asyncio.ensure_future(served.chat.Reply(ReplyRequest(text="你好")))
    await eventually(lambda: served.engine.load().running == 1)
    call = served.sentiment.Classify(GOOD)
    asking = asyncio.ensure_future(call.code())
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await eventually(lambda: loop.time() - began_s > 0.2)
    served.model.release()
    assert await asking is grpc.StatusCode.OK
    await chat

    waited_ms = int(dict(await call.trailing_metadata())["tidegate-queue-duration-ms"])
    assert 100 <= waited_ms <= 5000
    quick = served.sentiment.Classify(GOOD)
    await quick
    assert int(dict(await quick.trailing_metadata())["tidegate-queue-duration-ms"]) < waited_ms


async def test_a_taken_metrics_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = ServerSettings(port=0, consul="off", metrics_listen=listen)
        problem = f"^metrics_listen: {listen} can't be listened on: Address already in use$"
        with pytest.raises(StartError, match=problem):
            await Life(settings).run()


def test_where_metrics_are_served_is_off_or_a_place():
    assert read_settings([]).metrics_address is None
    assert read_settings(["--metrics-listen", "[::1]:9465"]).metrics_address == ("::1", 9465)
    with pytest.raises(SettingsError, match=r'metrics_listen: .*HOST:PORT and "off"'):
        read_settings(["--metrics-listen", "9465"])


async def test_the_names_are_the_same_in_both_formats(served: Served):
    await served.sentiment.Classify(GOOD)
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    plain, open_metrics = [
        await asyncio.to_thread(scrape_now, served.metrics_port, Accept=said)
        for said in ("text/plain", accept)
    ]
    assert {name for name, _ in open_metrics.samples} == {name for name, _ in plain.samples}
    assert open_metrics("vllm:num_requests_running") == 0

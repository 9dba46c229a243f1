"""The proxy over real gRPC: what goes through it, and that nothing stays behind."""

import asyncio
import random
import time
from itertools import repeat

import grpc
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status
from support.instances import PlayedInstance, refusal_trailers
from support.sidecars import Front, front_of
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.v1 import chat_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="positive")


async def test_a_call_comes_back_with_its_answer_metadata_and_trailers():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        call = front.sentiment.Classify(
            GOOD,
            metadata=(
                ("tidegate-profile", "brief"),
                ("tidegate-system-prompt-bin", b"\xe6\xbd\xae"),
            ),
        )
        answer = await call
        trailers = list(await call.trailing_metadata())

        assert answer == sentiment_pb2.ClassifyResponse(label="positive", model=instance.id)
        assert dict(await call.initial_metadata())["x-instance"] == instance.id
        assert [value for key, value in trailers if key == "x-trailer"] == ["one", "two"]
        assert ("tidegate-served-by", instance.id) in trailers
        assert dict(trailers)["tidegate-queue-duration-ms"] == "0"
        assert instance.seen[0]["tidegate-profile"] == "brief"
        assert instance.seen[0]["tidegate-system-prompt-bin"] == b"\xe6\xbd\xae"


async def test_the_longest_system_prompt_fits_into_the_metadata():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        prompt = ("𝄞" * 2_000).encode()
        await front.sentiment.Classify(GOOD, metadata=(("tidegate-system-prompt-bin", prompt),))

        assert instance.seen[0]["tidegate-system-prompt-bin"] == prompt


async def test_the_deadline_reaches_the_instance():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        await front.sentiment.Classify(GOOD, timeout=7.0)
        await front.sentiment.Classify(GOOD)

        remaining_s = instance.remaining_s[0]
        assert remaining_s is not None
        # Above 7 by a few hundredths at most: gRPC rounds a time-out up on every hop.
        assert 5.0 < remaining_s < 7.1
        assert instance.remaining_s[1] is None


async def test_an_error_of_the_instance_passes_through_and_counts_as_answered():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.sentiment.Classify(sentiment_pb2.ClassifyRequest())

        error = caught.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "text: '' is blank"
        trailers = dict(error.trailing_metadata())
        assert (trailers["x-mistake"], trailers["x-mistake-bin"]) == ("text", b"\x00\xff")
        assert trailers["tidegate-served-by"] == instance.id
        assert front.tally(Lane.SENTIMENT).full == 1


async def test_status_details_of_the_instance_pass_through():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        trailers = refusal_trailers(grpc.StatusCode.INTERNAL, "BUG")
        instance.on_call = lambda context: context.abort(grpc.StatusCode.INTERNAL, "BUG", trailers)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.chat.Reply(chat_pb2.ReplyRequest(text="hello"))

        assert rpc_status.from_call(caught.value) == status_pb2.Status.FromString(trailers[0][1])
        assert front.tally(Lane.CHAT).failed == 1


async def _back_up(front: Front, instance: PlayedInstance) -> list[asyncio.Task[object]]:
    """Let a chat take so long that the next one would wait, and one more begin."""
    chat = chat_pb2.ReplyRequest(text="hello")
    instance.hold()
    first = asyncio.ensure_future(front.chat.Reply(chat))
    await eventually(lambda: instance.in_flight == 1)
    began_s = time.monotonic()
    await eventually(lambda: time.monotonic() - began_s > 0.2)
    instance.release()
    await first
    instance.hold()
    running = asyncio.ensure_future(front.chat.Reply(chat))
    await eventually(lambda: instance.in_flight == 1)
    return [running]


async def test_under_load_a_chat_is_answered_in_short_and_says_so():
    instance = PlayedInstance(chat_slots=1, degraded_slots=2)
    thresholds = {"degrade_enter_s": 0.1, "degrade_leave_s": 0.05}
    async with instance, front_of([instance], **thresholds) as front:
        running = await _back_up(front, instance)
        call = front.chat.Reply(chat_pb2.ReplyRequest(text="in short"))
        assert (await call).degraded
        assert ("tidegate-degraded", "true") in tuple(await call.trailing_metadata())
        metadata = (("tidegate-accept-degraded", "false"),)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.chat.Reply(chat_pb2.ReplyRequest(text="all of it"), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
        instance.release()
        await asyncio.gather(*running)

        tally = front.tally(Lane.CHAT)
        assert (tally.full, tally.degraded, tally.shed) == (2, 1, 1)
        await front.at_rest()


async def test_a_caller_cannot_ask_an_instance_for_another_mode():
    async with PlayedInstance(degraded_slots=1) as instance, front_of([instance]) as front:
        metadata = (("tidegate-mode", "degraded"),)
        answer = await front.chat.Reply(chat_pb2.ReplyRequest(text="hello"), metadata=metadata)
        assert not answer.degraded


async def test_a_stream_is_passed_on_as_it_comes():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        instance.hold()
        call = front.chat.StreamReply(chat_pb2.StreamReplyRequest(text="to be or"))
        first = await call.read()
        instance.release()
        rest = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            rest.append(answer)

        assert first.delta == "to"
        assert [answer.delta for answer in rest] == ["be", "or", ""]
        assert rest[-1].end.model == instance.id
        assert dict(await call.trailing_metadata())["tidegate-served-by"] == instance.id


async def test_a_stream_both_ways_answers_before_the_caller_has_finished():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        call = front.sentiment.ClassifyStream()
        for number in range(3):
            item = sentiment_pb2.ClassifyStreamRequest(item_id=str(number), request=GOOD)
            await call.write(item)
            assert (await call.read()).item_id == str(number)
        await call.done_writing()

        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_a_stream_that_ends_amid_the_callers_writes_ends_with_the_instances_status():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        trailers = (("x-mistake", "item 3"),)
        instance.on_call = lambda context: context.abort(
            grpc.StatusCode.FAILED_PRECONDITION, "enough", trailers
        )
        item = sentiment_pb2.ClassifyStreamRequest(
            request=sentiment_pb2.ClassifyRequest(text="x" * 20_000)
        ).SerializeToString()

        def ask_without_end() -> grpc.RpcError:
            # The blocking client: the other one has the very fault that is looked for here.
            with grpc.insecure_channel(f"127.0.0.1:{front.sidecar.port}") as channel:
                call = channel.stream_stream("/tidegate.v1.Sentiment/ClassifyStream")(repeat(item))
                with pytest.raises(grpc.RpcError) as caught:
                    next(call)
                return caught.value

        for _ in range(20):
            error = await asyncio.to_thread(ask_without_end)
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert error.details() == "enough"
            assert dict(error.trailing_metadata())["x-mistake"] == "item 3"
        await front.at_rest()
        assert front.tally(Lane.SENTIMENT).full == 20


async def test_a_method_that_the_contract_does_not_have_is_forwarded():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        translate = front.channel.stream_stream("/tidegate.v1.Chat/Translate")
        call = translate()
        for message in (b"one", b"", b"three"):
            await call.write(message)
        await call.done_writing()
        answers = [answer async for answer in call]

        assert answers == [b"one", b"", b"three"]
        assert dict(await call.trailing_metadata())["x-count"] == "3"
        unary = front.channel.unary_unary("/tidegate.v1.Chat/Translate")
        assert await unary(b"alone") == b"alone"
        assert front.tally(Lane.CHAT).full == 2


@pytest.mark.parametrize("path", ["/tidegate.v1.Instance/GetLoad", "/else.Where/Call"])
async def test_a_service_that_is_not_proxied_is_unimplemented(path: str):
    async with PlayedInstance() as instance, front_of([instance]) as front:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.channel.unary_unary(path)(b"")

        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert instance.seen == []


async def test_a_caller_who_hangs_up_frees_the_slot_and_stops_the_instance():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        instance.hold()
        call = front.sentiment.Classify(GOOD)
        await eventually(lambda: instance.in_flight == 1)
        call.cancel()

        await eventually(lambda: instance.cancelled == 1)
        await front.at_rest()
        assert front.tally(Lane.SENTIMENT).cancelled == 1


async def test_a_caller_who_hangs_up_while_waiting_frees_the_place():
    async with PlayedInstance(chat_slots=1) as instance, front_of([instance]) as front:
        instance.hold()
        running = front.chat.Reply(chat_pb2.ReplyRequest(text="first"))
        await eventually(lambda: instance.in_flight == 1)
        waiting = front.chat.Reply(chat_pb2.ReplyRequest(text="second"))
        await eventually(lambda: "1 waiting" in repr(front.sidecar.pool))
        waiting.cancel()
        await eventually(lambda: "0 waiting" in repr(front.sidecar.pool))
        instance.release()
        await running

        await front.at_rest()
        assert len(instance.seen) == 1
        assert front.tally(Lane.CHAT).cancelled == 1


@pytest.mark.parametrize("slots", [1, 0], ids=["running", "waiting"])
async def test_a_call_whose_deadline_passes_is_expired(slots: int):
    async with PlayedInstance(chat_slots=1) as instance, front_of([instance]) as front:
        instance.hold()
        first = None
        if not slots:
            first = front.chat.Reply(chat_pb2.ReplyRequest(text="first"))
            await eventually(lambda: instance.in_flight == 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.chat.Reply(chat_pb2.ReplyRequest(text="late"), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        instance.release()
        if first is not None:
            await first

        await front.at_rest()
        assert front.tally(Lane.CHAT).expired == 1
        assert front.tally(Lane.CHAT).cancelled == 0


async def test_a_call_that_an_instance_has_no_slot_for_goes_back_and_is_answered():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        refused = 0

        def refuse_twice(context: grpc.aio.ServicerContext) -> object:
            nonlocal refused
            refused += 1
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            trailers = refusal_trailers(code, "SLOTS_TAKEN")
            return context.abort(code, "SLOTS_TAKEN", trailers) if refused <= 2 else None

        instance.on_call = refuse_twice
        answer = await front.chat.Reply(chat_pb2.ReplyRequest(text="hello"))
        refused = 0
        stream = front.sentiment.ClassifyStream()
        await stream.write(sentiment_pb2.ClassifyStreamRequest(item_id="a"))

        assert answer.text == "hello"
        assert (await stream.read()).item_id == "a"
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        await front.at_rest()
        assert front.tally(Lane.CHAT).full == 1


async def test_a_call_whose_instance_is_lost_is_answered_by_another():
    async with (
        PlayedInstance() as first,
        PlayedInstance() as second,
        front_of([first, second]) as front,
    ):
        first.hold()
        second.hold()
        call = front.sentiment.Classify(GOOD)
        await eventually(lambda: first.in_flight + second.in_flight == 1)
        lost, other = (first, second) if first.in_flight else (second, first)
        other.release()
        await lost.stop()

        assert (await call).model == other.id
        await front.at_rest()
        assert front.tally(Lane.SENTIMENT).full == 1


async def test_the_last_instance_lost_is_unavailable_with_a_hint():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        instance.hold()
        call = front.sentiment.Classify(GOOD)
        await eventually(lambda: instance.in_flight == 1)
        await instance.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
        await instance.start()


async def test_a_stream_lost_in_the_middle_is_unavailable_without_a_hint():
    async with PlayedInstance() as instance, front_of([instance]) as front:
        instance.hold()
        call = front.chat.StreamReply(chat_pb2.StreamReplyRequest(text="to be"))
        assert (await call.read()).delta == "to"
        await instance.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "grpc-retry-pushback-ms" not in dict(caught.value.trailing_metadata())
        assert front.tally(Lane.CHAT).failed == 1
        await instance.start()


async def test_200_calls_at_once_each_end_in_one_answer_or_one_refusal():
    async with (
        PlayedInstance(chat_slots=4) as instance,
        front_of([instance], chat_queue_limit=100) as front,
    ):
        instance.hold()
        calls = [front.chat.Reply(chat_pb2.ReplyRequest(text=str(n))) for n in range(200)]
        await eventually(lambda: front.tally(Lane.CHAT).offered == 200)
        instance.release()
        endings = await asyncio.gather(*calls, return_exceptions=True)

        shed = [ending for ending in endings if isinstance(ending, grpc.aio.AioRpcError)]
        assert len(shed) == 96
        assert {error.code() for error in shed} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert instance.most_in_flight <= 4
        await front.at_rest()
        assert front.tally(Lane.CHAT).full == 104


async def test_1000_random_cancellations_leak_nothing():
    rng = random.Random(7)

    async def call_and_hang_up(front: Front) -> None:
        request = chat_pb2.StreamReplyRequest(text="to be or not to be")
        kind = rng.randrange(3)
        call = (
            front.sentiment.Classify(GOOD)
            if kind == 0
            else front.chat.StreamReply(request)
            if kind == 1
            else front.sentiment.ClassifyStream()
        )
        for _ in range(rng.randrange(8)):
            await asyncio.sleep(0)
        if rng.random() < 0.3:
            await asyncio.sleep(rng.random() * 0.05)
        call.cancel()

    async with (
        PlayedInstance(sentiment_slots=3, chat_slots=2) as instance,
        front_of([instance]) as front,
    ):
        instance.hold()
        for _ in range(20):
            await asyncio.gather(*(call_and_hang_up(front) for _ in range(50)))
        instance.release()

        await front.at_rest()
        await eventually(lambda: instance.in_flight == 0)
        assert (await front.sentiment.Classify(GOOD)).label == "positive"
        assert (await front.chat.Reply(chat_pb2.ReplyRequest(text="still"))).text == "still"

import asyncio
import random

import grpc
import pytest
from support.scripted_model import ScriptedModel
from support.served import Served, serve, unpack
from support.waiting import eventually

from tidegate.server.lane import Lane
from tidegate.server.load_report import load_report
from tidegate.server.recent import Lately
from tidegate.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    JudgeAndReplyRequest,
    ReplyRequest,
    ReplyResponse,
    Sampling,
    StreamReplyRequest,
    Turn,
)

REPLY = "好的，谢谢。"


@pytest.fixture
async def served():
    async with serve(ScriptedModel(reply=REPLY), sentiment_slots=4, chat_slots=3) as server:
        yield server


async def test_a_reply_is_whole_and_tells_its_cost(served: Served):
    answer = await served.chat.Reply(ReplyRequest(text="你好"))

    assert answer.text == REPLY
    assert answer.finish_reason == FINISH_REASON_STOP
    assert answer.usage.completion_tokens > 0
    assert 0 < answer.usage.cached_tokens < answer.usage.prompt_tokens
    assert (answer.profile, answer.model, answer.degraded) == ("chat", "scripted", False)


async def test_deltas_are_the_text_and_the_end_comes_last(served: Served):
    events = [event async for event in served.chat.StreamReply(StreamReplyRequest(text="你好"))]

    assert "".join(event.delta for event in events[:-1]) == REPLY
    assert all(event.WhichOneof("event") == "delta" for event in events[:-1])
    assert events[-1].end.profile == "chat"


async def test_the_sentiment_comes_before_the_first_word(served: Served):
    request = JudgeAndReplyRequest(turns=[Turn(role="user", content="太差了")])
    events = [event async for event in served.chat.JudgeAndReply(request)]

    assert events[0].sentiment.label == "负面"
    assert "".join(event.delta for event in events) == REPLY
    assert [event.WhichOneof("event") for event in events[-1:]] == ["end"]


async def test_max_tokens_ends_a_reply_by_length(served: Served):
    request = ReplyRequest(text="你好", sampling=Sampling(max_tokens=3))
    answer = await served.chat.Reply(request)
    assert (answer.text, answer.finish_reason) == ("好", FINISH_REASON_LENGTH)


async def test_a_callers_stop_ends_the_reply_before_it(served: Served):
    answer = await served.chat.Reply(ReplyRequest(text="你好", sampling=Sampling(stop=["，"])))
    assert (answer.text, answer.finish_reason) == ("好的", FINISH_REASON_STOP)


async def test_a_long_turn_is_cut_and_says_so(served: Served):
    turns = [
        Turn(role="user", content="好" * 600),
        Turn(role="assistant", content="是吗" * 400),
        Turn(role="user", content="好"),
    ]
    assert (await served.chat.Reply(ReplyRequest(turns=turns))).truncated


async def test_a_prompt_beyond_the_context_names_the_field_and_the_numbers():
    async with serve(context_tokens=1300, chat_slots=2) as served:
        turns = [Turn(role=role, content="好" * 200) for role in ("user", "assistant", "user")]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.chat.Reply(ReplyRequest(turns=turns))
    refused = unpack(caught.value)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == ["turns"]
    assert "at most 1299" in refused.message


async def test_a_wrong_sentiment_profile_is_told_before_anything_is_sent(served: Served):
    call = served.chat.JudgeAndReply(JudgeAndReplyRequest(text="好", sentiment_profile="chat"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert unpack(caught.value).fields == ["sentiment_profile"]
    # Trailers only: headers sent early would forbid the caller's retry.
    assert not list(await call.initial_metadata())


async def test_a_refused_stream_is_trailers_only(served: Served):
    served.admission.close()
    call = served.chat.StreamReply(StreamReplyRequest(text="好"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert unpack(caught.value).pushback_ms is not None
    assert not list(await call.initial_metadata())


async def test_chats_are_counted_apart_from_sentiments(served: Served):
    served.model.hold()
    chats = [asyncio.ensure_future(served.chat.Reply(ReplyRequest(text="好"))) for _ in range(3)]
    await eventually(lambda: "sentiment 0/4, chat 3/3" in repr(served.admission))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.chat.Reply(ReplyRequest(text="好"))
    assert unpack(caught.value).reason == "SLOTS_TAKEN"
    served.model.release()
    assert [answer.text for answer in await asyncio.gather(*chats)] == [REPLY] * 3


async def test_a_thousand_cancellations_leak_no_slot():
    dice = random.Random(7)
    refusals: set[str] = set()
    async with serve(ScriptedModel(reply="好" * 300), sentiment_slots=16, chat_slots=8) as served:

        async def give_up() -> None:
            call = served.chat.StreamReply(StreamReplyRequest(text="你好"))
            try:
                for _ in range(dice.randrange(4)):
                    await call.read()
            except grpc.aio.AioRpcError as error:
                refusals.add(unpack(error).reason)
            call.cancel()

        for _ in range(50):
            await asyncio.gather(*(give_up() for _ in range(20)))
        await eventually(served.is_at_rest)
        assert served.engine.load().failed == 0
        assert refusals <= {"SLOTS_TAKEN"}
        assert (await served.chat.Reply(ReplyRequest(text="你好"))).text


async def test_two_hundred_calls_at_once_end_in_an_answer_or_a_hint(served: Served):
    async def ask(number: int) -> str:
        try:
            await served.chat.Reply(ReplyRequest(text=f"你好{number}"))
        except grpc.aio.AioRpcError as error:
            refused = unpack(error)
            assert refused.pushback_ms is not None
            return refused.reason
        return "full"

    ends = await asyncio.gather(*(ask(number) for number in range(200)))
    assert set(ends) <= {"full", "SLOTS_TAKEN"}
    assert "full" in ends
    await eventually(served.is_at_rest)


IN_SHORT = (("tidegate-mode", "degraded"),)
LETTER = "在吗？我买的手机屏幕太差了，手机屏幕怎么修？谢谢！"
SENTENCE = "我买的手机屏幕太差了，手机屏幕怎么修？"


async def test_a_short_answer_is_the_label_and_one_sentence_of_the_text(served: Served):
    call = served.chat.Reply(ReplyRequest(text=LETTER), metadata=IN_SHORT)
    answer = await call

    assert (answer.text, answer.degraded, answer.sentiment.label) == (SENTENCE, True, "负面")
    assert (answer.profile, answer.sentiment.profile) == ("chat", "sentiment")
    assert answer.usage.completion_tokens == 0
    assert ("tidegate-degraded", "true") in tuple(await call.trailing_metadata())


async def test_every_answer_carries_the_load_of_the_instance(served: Served):
    call = served.chat.Reply(ReplyRequest(text="你好"))
    await call
    trailers = dict(await call.trailing_metadata())
    report = trailers["tidegate-load-bin"]
    lanes = load_report({"sentiment": 0.0, "chat": 1 / 3, "degraded": 0.0}, Lately())[9:-9]
    assert isinstance(report, bytes)
    assert lanes in report
    assert "tidegate-degraded" not in trailers


async def test_a_short_stream_is_one_sentence_and_an_end_that_has_the_sentiment(served: Served):
    call = served.chat.StreamReply(StreamReplyRequest(text=LETTER), metadata=IN_SHORT)
    sentence, end = [event async for event in call]

    assert sentence.delta == SENTENCE
    assert (end.end.degraded, end.end.sentiment.label) == (True, "负面")


async def test_a_short_judgement_has_the_same_three_parts_as_a_full_one(served: Served):
    turns = [Turn(role="user", content=LETTER)]
    call = served.chat.JudgeAndReply(JudgeAndReplyRequest(turns=turns), metadata=IN_SHORT)
    sentiment, sentence, end = [event async for event in call]

    assert (sentiment.sentiment.label, sentence.delta) == ("负面", SENTENCE)
    assert end.end.degraded


async def test_a_short_answer_is_as_strict_about_its_fields(served: Served):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.chat.Reply(ReplyRequest(text=" "), metadata=IN_SHORT)
    assert unpack(caught.value).fields == ["text"]


async def test_short_answers_come_while_all_chat_slots_are_taken_and_have_a_bound(served: Served):
    served.model.hold()
    long = [asyncio.ensure_future(_reply(served)) for _ in range(3)]
    await eventually(lambda: served.admission.in_flight(Lane.CHAT) == 3)
    short = [asyncio.ensure_future(_reply(served, IN_SHORT)) for _ in range(2)]
    await eventually(lambda: served.admission.in_flight(Lane.DEGRADED) == 2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _reply(served, IN_SHORT)
    assert unpack(caught.value).reason == "SLOTS_TAKEN"
    assert served.admission.in_flight(Lane.SENTIMENT) == 0
    served.model.release()
    assert all(answer.degraded for answer in await asyncio.gather(*short))
    assert not any(answer.degraded for answer in await asyncio.gather(*long))
    assert served.is_at_rest()


async def _reply(served: Served, metadata: tuple[tuple[str, str], ...] = ()) -> ReplyResponse:
    return await served.chat.Reply(ReplyRequest(text="你好"), metadata=metadata)

import asyncio

import grpc
import pytest
from support.scripted_model import ScriptedModel
from support.served import Served, serve, unpack
from support.waiting import eventually

from tidegate.v1.instance_pb2 import GetLoadRequest
from tidegate.v1.instance_pb2_grpc import InstanceStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest, ClassifyStreamRequest

CLASSIFY = "/tidegate.v1.Sentiment/Classify"


@pytest.fixture
async def served():
    async with serve(sentiment_slots=4, chat_slots=2) as server:
        yield server


async def refusal(call) -> object:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return unpack(caught.value)


async def test_a_text_gets_one_of_the_labels_with_its_cost(served: Served):
    answer = await served.sentiment.Classify(ClassifyRequest(text="很好用"))

    assert answer.label == "正面"
    assert [score.label for score in answer.scores] == ["正面", "负面"]
    assert sum(score.score for score in answer.scores) == pytest.approx(1)
    assert answer.confidence == pytest.approx(2 * answer.scores[0].score - 1)
    assert (answer.profile, len(answer.profile_version)) == ("sentiment", 12)
    assert answer.model == "scripted"
    assert not answer.truncated
    assert 0 < answer.usage.cached_tokens < answer.usage.prompt_tokens
    assert answer.usage.completion_tokens == 0


async def test_the_label_prior_is_taken_off():
    async with serve(ScriptedModel(lean=10.0)) as served:
        for text, label in (("太差了", "负面"), ("太好了", "正面")):
            assert (await served.sentiment.Classify(ClassifyRequest(text=text))).label == label


async def test_a_long_text_is_cut_and_says_so(served: Served):
    answer = await served.sentiment.Classify(ClassifyRequest(text="东西不错。" * 200))
    assert answer.truncated


async def test_the_body_wins_over_the_metadata(served: Served):
    call = served.sentiment.Classify(
        ClassifyRequest(text="好", profile="sentiment"), metadata=(("tidegate-profile", "chat"),)
    )
    assert (await call).profile == "sentiment"

    refused = await refusal(
        served.sentiment.Classify(
            ClassifyRequest(text="好"), metadata=(("tidegate-profile", "chat"),)
        )
    )
    assert refused.fields == ["tidegate-profile"]


async def test_the_longest_system_prompt_fits_into_the_metadata():
    # gRPC refuses metadata between its two limits at random: once proves nothing.
    beside = (("tidegate-system-prompt-bin", ("🙂" * 2000).encode()),)
    async with serve(context_tokens=16_384) as served:
        for _ in range(20):
            answer = await served.sentiment.Classify(ClassifyRequest(text="好"), metadata=beside)
            assert answer.usage.prompt_tokens > 8000


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\x0a\x02\xff\xfe", "text"),
        (b"\x0a\x03abc\x12\x01\xff", "profile"),
        (b"\x0a\x09abc", "ClassifyRequest"),
        (b"\xff\xff\xff", "ClassifyRequest"),
    ],
)
async def test_bytes_that_are_no_text_are_the_callers_mistake(served: Served, data, field):
    refused = await refusal(served.channel.unary_unary(CLASSIFY)(data))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == [field]
    assert refused.pushback_ms is None


async def test_a_system_prompt_that_is_not_utf8_is_refused(served: Served):
    refused = await refusal(
        served.sentiment.Classify(
            ClassifyRequest(text="好"), metadata=(("tidegate-system-prompt-bin", b"\xff"),)
        )
    )
    assert refused.fields == ["tidegate-system-prompt-bin"]


async def test_a_call_beyond_the_slots_is_refused_before_any_work(served: Served):
    served.model.hold()
    calls = [
        asyncio.ensure_future(served.sentiment.Classify(ClassifyRequest(text=f"好{n}")))
        for n in range(4)
    ]
    await eventually(lambda: "sentiment 4/4" in repr(served.admission))

    refused = await refusal(served.sentiment.Classify(ClassifyRequest(text="好")))

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "SLOTS_TAKEN"
    assert refused.pushback_ms > 0
    assert int(refused.trailers["retry-after"]) >= 1
    served.model.release()
    assert {answer.label for answer in await asyncio.gather(*calls)} == {"正面"}
    await eventually(served.is_at_rest)


async def test_a_deadline_that_passes_gives_the_slot_back(served: Served):
    served.model.hold()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.sentiment.Classify(ClassifyRequest(text="好"), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: served.admission.is_idle)
    served.model.release()
    await eventually(served.is_at_rest)


async def test_a_draining_server_refuses_with_a_hint(served: Served):
    served.admission.close()
    refused = await refusal(served.sentiment.Classify(ClassifyRequest(text="好")))
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert refused.reason == "DRAINING"
    assert refused.pushback_ms is not None


async def test_a_fault_of_ours_tells_an_id_and_no_more(served: Served):
    served.model.failures = 1
    refused = await refusal(served.sentiment.Classify(ClassifyRequest(text="好")))
    assert refused.code is grpc.StatusCode.INTERNAL
    assert "scripted" not in refused.message
    assert (await served.sentiment.Classify(ClassifyRequest(text="好"))).label == "正面"


async def test_many_wrong_fields_still_fit_into_the_trailers(served: Served):
    wrong = ClassifyRequest(text=" ", profile="情感" * 4000)
    refused = await refusal(served.sentiment.Classify(wrong))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == ["text", "profile"]


async def test_a_bad_item_does_not_end_the_stream(served: Served):
    items = [
        ClassifyStreamRequest(item_id="a", request=ClassifyRequest(text="很好")),
        ClassifyStreamRequest(item_id="b", request=ClassifyRequest(text="  ")),
        ClassifyStreamRequest(item_id="c"),
        ClassifyStreamRequest(item_id="d", request=ClassifyRequest(text="差")),
    ]
    outcomes = {one.item_id: one async for one in served.sentiment.ClassifyStream(iter(items))}

    assert outcomes["a"].answer.label == "正面"
    assert outcomes["d"].answer.label == "负面"
    for item_id in "bc":
        assert outcomes[item_id].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert outcomes["b"].error.message.startswith("text: ")
    await eventually(served.is_at_rest)


async def test_an_unreadable_item_is_answered_under_its_id(served: Served):
    stream = served.channel.stream_stream(
        "/tidegate.v1.Sentiment/ClassifyStream",
        response_deserializer=lambda data: data,
    )
    answers = [data async for data in stream(iter([b"\x0a\x02id\x12\x04\x0a\x02\xff\xff"]))]
    assert len(answers) == 1
    assert answers[0].startswith(b"\x0a\x02id")
    assert b"request.text" in answers[0]


async def test_a_stream_is_not_read_ahead_of_its_answers(served: Served):
    items = [ClassifyStreamRequest(request=ClassifyRequest(text="好" * 400))] * 200
    served.model.hold()
    call = served.sentiment.ClassifyStream(iter(items))
    await eventually(lambda: served.engine.load().waiting + served.engine.load().running >= 4)
    # Round trips over the same connection: by now, everything that would be read has been.
    for _ in range(50):
        await InstanceStub(served.channel).GetLoad(GetLoadRequest())
    assert served.engine.load().waiting + served.engine.load().running == 4
    served.model.release()
    assert len([one async for one in call]) == 200
    await eventually(served.is_at_rest)


async def test_a_stream_that_is_given_up_frees_everything(served: Served):
    served.model.hold()
    call = served.sentiment.ClassifyStream(
        iter([ClassifyStreamRequest(request=ClassifyRequest(text="好"))] * 10)
    )
    await eventually(lambda: served.engine.load().waiting + served.engine.load().running >= 4)
    call.cancel()
    await eventually(lambda: served.admission.is_idle)
    served.model.release()
    await eventually(served.is_at_rest)

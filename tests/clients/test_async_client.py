from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing

import grpc
import pytest
import pytest_asyncio
from support.scripted_service import Refusal, Service, invalid, running_service, shed

from tidegate.clients import (
    AsyncClient,
    Classification,
    ClassifiedItem,
    DeadlineExceeded,
    DegradedEnd,
    DegradedReply,
    Delta,
    End,
    FinishReason,
    InvalidInput,
    Item,
    Overloaded,
    Phase,
    Role,
    Sampling,
    ServerFailure,
    Speaker,
    Turn,
    Unavailable,
    Warming,
)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.address, timeout_s=10.0) as opened:
        yield opened


async def test_classify_gives_the_whole_answer(client: AsyncClient, service: Service) -> None:
    answer = await client.classify("太差了", profile="shop", system_prompt="判断")
    assert answer.label == "负面"
    assert [each.label for each in answer.scores] == ["负面", "other"]
    assert answer.usage.cached_tokens == 20
    request = service.seen[0].request
    assert (request.text, request.profile, request.system_prompt) == ("太差了", "shop", "判断")  # type: ignore[attr-defined]


async def test_the_deadline_travels_with_the_call(client: AsyncClient, service: Service) -> None:
    await client.classify("好", timeout_s=5.0)
    await client.classify("好")
    first, second = (seen.left_s for seen in service.seen)
    assert first is not None
    assert second is not None
    # gRPC rounds a time-out up by a tenth at most when it writes it down.
    assert 4.0 < first < 5.6 < 9.0 < second < 11.0


async def test_an_empty_system_prompt_is_not_an_absent_one(
    client: AsyncClient, service: Service
) -> None:
    await client.classify("好", system_prompt="")
    await client.classify("好")
    assert [seen.request.HasField("system_prompt") for seen in service.seen] == [True, False]  # type: ignore[attr-defined]


async def test_a_shed_is_retried_when_the_pushback_says(
    client: AsyncClient, service: Service
) -> None:
    service.refusals.extend([shed(60), shed(10)])
    before_s = asyncio.get_running_loop().time()
    assert (await client.classify("好")).label == "正面"
    assert asyncio.get_running_loop().time() - before_s >= 0.07
    assert len(service.seen) == 3


async def test_core_does_not_multiply_the_attempts(client: AsyncClient, service: Service) -> None:
    service.refusals.extend([shed(1)] * 20)
    with pytest.raises(Overloaded) as caught:
        await client.classify("好")
    assert len(service.seen) == 3
    assert caught.value.retry_after_s == 0.001


async def test_a_shed_that_says_never_is_not_retried(client: AsyncClient, service: Service) -> None:
    service.refusals.append(shed(-1))
    with pytest.raises(Overloaded):
        await client.classify("好")
    assert len(service.seen) == 1


async def test_a_hint_beyond_the_deadline_comes_back_at_once(
    client: AsyncClient, service: Service
) -> None:
    service.refusals.append(shed(30_000))
    with pytest.raises(Overloaded) as caught:
        await client.reply("你好", timeout_s=5.0)
    assert caught.value.retry_after_s == 30.0
    assert len(service.seen) == 1


async def test_all_attempts_share_one_deadline(client: AsyncClient, service: Service) -> None:
    service.refusals.append(shed(200))
    await client.classify("好", timeout_s=5.0)
    assert service.seen[1].left_s is not None
    assert service.seen[1].left_s < 4.85


async def test_bad_input_is_not_retried_and_names_the_field(
    client: AsyncClient, service: Service
) -> None:
    service.refusals.append(invalid("text", "is blank"))
    with pytest.raises(InvalidInput) as caught:
        await client.classify(" ")
    assert caught.value.violations[0].field == "text"
    assert len(service.seen) == 1


async def test_text_that_is_no_unicode_is_refused_before_any_call(
    client: AsyncClient, service: Service
) -> None:
    with pytest.raises(InvalidInput, match="text is not valid Unicode"):
        await client.classify("\udce4")
    with pytest.raises(InvalidInput, match=r"turns\[0\].content"):
        await client.reply([Turn(Speaker.USER, "\udce4")])
    with pytest.raises(InvalidInput, match=r"sampling.max_tokens: -1 is not"):
        await client.reply("好", sampling=Sampling(max_tokens=-1))
    assert service.seen == []


async def test_a_call_out_of_time_says_so(client: AsyncClient, service: Service) -> None:
    with pytest.raises(DeadlineExceeded):
        await client.classify("hang", timeout_s=0.1)
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_nobody_at_the_address_is_unavailable() -> None:
    async with AsyncClient("127.0.0.1:1", timeout_s=5.0) as client:
        with pytest.raises(Unavailable):
            await client.classify("好")


async def test_a_cancelled_task_cancels_the_call_upstream(
    client: AsyncClient, service: Service
) -> None:
    task = asyncio.create_task(client.classify("hang"))
    await asyncio.wait_for(service.hanging.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_a_reply_carries_turns_sampling_and_conversation(
    client: AsyncClient, service: Service
) -> None:
    reply = await client.reply(
        [Turn(Speaker.USER, "你好"), Turn(Speaker.ASSISTANT, "好"), Turn(Speaker.USER, "再见")],
        sampling=Sampling(temperature=0.0, max_tokens=64, stop=("。",), seed=7),
        conversation_id="客服 7",
        accept_degraded=False,
    )
    assert reply.text == "你好，世界"
    assert reply.finish_reason is FinishReason.STOP
    assert reply.sentiment is None
    seen = service.seen[0]
    assert [turn.role for turn in seen.request.turns] == ["user", "assistant", "user"]  # type: ignore[attr-defined]
    sampling = seen.request.sampling  # type: ignore[attr-defined]
    assert sampling.HasField("temperature")
    assert not sampling.HasField("top_p")
    assert (sampling.max_tokens, list(sampling.stop), sampling.seed) == (64, ["。"], 7)
    assert seen.request.conversation_id == "客服 7"  # type: ignore[attr-defined]
    assert seen.metadata["tidegate-conversation"] == "%E5%AE%A2%E6%9C%8D%207"
    assert seen.metadata["tidegate-accept-degraded"] == "false"


async def test_metadata_is_only_sent_for_what_was_asked(
    client: AsyncClient, service: Service
) -> None:
    await client.reply("你好")
    assert not [key for key in service.seen[0].metadata if key.startswith("tidegate-")]


async def test_a_streamed_reply_is_its_deltas_then_its_end(client: AsyncClient) -> None:
    events = [event async for event in client.stream_reply("你好")]
    assert events[:-1] == [Delta("你好"), Delta("，世界")]
    assert isinstance(events[-1], End)
    assert events[-1].usage.completion_tokens == 2


async def test_judge_and_reply_gives_the_label_first(client: AsyncClient) -> None:
    kinds = [type(event) async for event in client.judge_and_reply("你好")]
    assert kinds == [Classification, Delta, Delta, End]


async def test_a_stream_is_retried_before_its_first_message(
    client: AsyncClient, service: Service
) -> None:
    service.refusals.append(shed(10))
    assert len([event async for event in client.stream_reply("你好")]) == 3
    assert len(service.seen) == 2


async def test_a_stream_is_not_retried_after_its_first_message(
    client: AsyncClient, service: Service
) -> None:
    service.refuse_after_first = Refusal(UNAVAILABLE, "lost")
    events = client.stream_reply("你好")
    assert await anext(events) == Delta("你好")
    with pytest.raises(Unavailable, match="lost"):
        await anext(events)
    assert len(service.seen) == 1


async def test_a_stream_without_its_end_is_a_failure(client: AsyncClient, service: Service) -> None:
    service.leave_out_end = True
    with pytest.raises(ServerFailure, match="before its last message"):
        async for _ in client.stream_reply("你好"):
            pass


async def test_who_asks_is_told_of_a_warm_up_before_all_else(
    client: AsyncClient, service: Service
) -> None:
    service.warming_ms = 8_500
    events = [event async for event in client.stream_reply("你好", progress=True)]
    assert (events[0], len(events)) == (Warming(8.5), 4)
    judged = [event async for event in client.judge_and_reply("你好", progress=True)]
    assert (judged[0], type(judged[1])) == (Warming(8.5), Classification)
    assert isinstance(await anext(client.stream_reply("你好")), Delta)
    with pytest.raises(
        TypeError, match="reply\\(\\) got an unexpected keyword argument 'progress'"
    ):
        await client.reply("你好", progress=True)  # type: ignore[call-arg]


async def test_leaving_a_stream_cancels_it_upstream(client: AsyncClient, service: Service) -> None:
    async with aclosing(client.stream_reply("hang")) as events:
        async for event in events:
            assert event == Delta("你好")
            break
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_cancelling_a_reader_cancels_its_stream_upstream(
    client: AsyncClient, service: Service
) -> None:
    async def read() -> None:
        async for _ in client.judge_and_reply("hang"):
            pass

    task = asyncio.create_task(read())
    await asyncio.wait_for(service.hanging.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_status_is_read_whole(client: AsyncClient) -> None:
    status = await client.status()
    (instance,) = status.instances
    assert (instance.phase, instance.role, instance.in_flight) == (Phase.HOT, Role.BOTH, 3)
    assert [lane.slots for lane in instance.lanes] == [8, 4]
    (lane,) = status.lanes
    assert (lane.estimated_wait_s, lane.counts.offered) == (1.5, 9)
    assert lane.shed_by_reason == {"QUEUE_FULL": 1}


async def test_every_item_gets_its_own_outcome_in_its_turn(
    client: AsyncClient, service: Service
) -> None:
    items = ["slow", "太差了", "bad", "\udce4", Item("好", "same"), Item("差", "same", profile="p")]
    outcomes = [outcome async for outcome in client.classify_many(items, profile="shop")]
    assert [each.item_id for each in outcomes] == ["0", "1", "2", "3", "same", "same"]
    assert [_label(outcomes[at]) for at in (0, 1, 4, 5)] == ["正面", "负面", "正面", "负面"]
    assert isinstance(outcomes[2].outcome, InvalidInput)
    assert isinstance(outcomes[3].outcome, InvalidInput)
    # The second was answered while the first was still on its way.
    assert service.most_under_way > 1
    profiles = {seen.request.text: seen.request.profile for seen in service.seen}  # type: ignore[attr-defined]
    assert profiles == {"slow": "shop", "太差了": "shop", "bad": "shop", "好": "shop", "差": "p"}


def _label(item: ClassifiedItem) -> str:
    assert isinstance(item.outcome, Classification)
    return item.outcome.label


async def test_no_items_give_no_outcomes(client: AsyncClient) -> None:
    assert [outcome async for outcome in client.classify_many([])] == []


async def test_many_items_never_run_far_ahead(client: AsyncClient, service: Service) -> None:
    taken = 0

    async def items() -> AsyncIterator[str]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield f"好{number}"

    answered = 0
    async for _ in client.classify_many(items(), concurrency=4):
        answered += 1
        assert taken - answered <= 16
    assert answered == 300
    assert service.most_under_way <= 4


async def test_each_item_is_retried_on_its_own(client: AsyncClient, service: Service) -> None:
    service.refusals.extend([shed(5), Refusal(UNAVAILABLE), shed(-1)])
    outcomes = [outcome async for outcome in client.classify_many(["a", "b", "c"])]
    assert [outcome.text for outcome in outcomes] == ["a", "b", "c"]
    failed = [each.outcome for each in outcomes if isinstance(each.outcome, Overloaded)]
    assert [error.retry_forbidden for error in failed] == [True]
    assert len(service.seen) == 5


async def test_what_the_items_raise_comes_after_their_answers(client: AsyncClient) -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise LookupError("no more")

    outcomes = client.classify_many(items())
    assert (await anext(outcomes)).text == "a"
    with pytest.raises(LookupError, match="no more"):
        await anext(outcomes)


async def test_leaving_many_items_cancels_them_upstream(
    client: AsyncClient, service: Service
) -> None:
    async with aclosing(client.classify_many(["a", "hang", "b"])) as outcomes:
        async for _ in outcomes:
            await asyncio.wait_for(service.hanging.wait(), 5)
            break
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_a_client_works_without_a_with_block_until_it_is_closed(service: Service) -> None:
    client = AsyncClient(service.address)
    assert (await client.classify("好")).label == "正面"
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.classify("好")


async def test_an_option_that_a_call_does_not_take_is_named(client: AsyncClient) -> None:
    with pytest.raises(TypeError, match=r"reply\(\) got an unexpected keyword argument 'profil'"):
        await client.reply("好", profil="x")  # type: ignore[call-arg]


async def test_a_degraded_answer_is_of_a_kind_of_its_own(
    client: AsyncClient, service: Service
) -> None:
    service.is_degrading = True
    reply = await client.reply("太差了")
    assert isinstance(reply, DegradedReply)
    assert (reply.degraded, reply.sentiment.label) == (True, "负面")
    *_, end = [event async for event in client.stream_reply("太差了")]
    assert isinstance(end, DegradedEnd)
    assert end.sentiment.label == "负面"
    first, *_, end = [event async for event in client.judge_and_reply("太差了")]
    assert isinstance(end, DegradedEnd)
    assert end.sentiment == first


async def test_a_caller_is_named_to_the_balancer(service: Service) -> None:
    async with AsyncClient(service.address, caller="客服 a/b") as client:
        await client.classify("好")
    assert service.seen[0].metadata["tidegate-caller"] == "%E5%AE%A2%E6%9C%8D a/b"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout_s": 0}, "timeout_s: 0"),
        ({"timeout_s": float("nan")}, "nan"),
        ({"attempts": 0}, "0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AsyncClient("localhost:50051", **settings)  # type: ignore[arg-type]


async def test_a_watched_status_is_told_snapshot_by_snapshot(client: AsyncClient) -> None:
    told = [fleet.instances[0].phase async for fleet in client.watch_status()]
    assert told == [Phase.WARMING, Phase.WARMING, Phase.HOT]


async def test_a_drained_instance_is_told_as_it_is_now(client: AsyncClient) -> None:
    drained = await client.drain("tidegate-here-50061")
    assert (drained.id, drained.phase) == ("tidegate-here-50061", Phase.DRAINING)


async def test_two_balancers_share_the_calls_and_the_one_that_is_left_answers_all() -> None:
    async with running_service() as other, AsyncExitStack() as first:
        one = await first.enter_async_context(running_service())
        async with AsyncClient(f"{one.address},{other.address}", timeout_s=10.0) as client:
            for _ in range(100):
                await client.classify("好")
                if one.seen and other.seen:
                    break
            assert one.seen
            assert other.seen
            await first.aclose()
            for _ in range(4):
                assert (await client.classify("好")).label

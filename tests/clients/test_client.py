from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import pytest_asyncio
from support.scripted_service import Refusal, Service, invalid, shed
from support.waiting import eventually

from tidegate.clients import (
    Classification,
    Client,
    DeadlineExceeded,
    Delta,
    End,
    InvalidInput,
    Overloaded,
    Phase,
    ServerFailure,
    Unavailable,
    Warming,
)


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """The service runs in this loop, so every call of this client is made in a thread."""
    with Client(service.address, timeout_s=10.0) as opened:
        yield opened


async def test_every_method_answers_as_the_async_ones(client: Client) -> None:
    def use() -> None:
        assert client.classify("太差了").label == "负面"
        assert client.reply("你好").text == "你好，世界"
        assert list(client.stream_reply("你好"))[:-1] == [Delta("你好"), Delta("，世界")]
        kinds = [type(event) for event in client.judge_and_reply("你好")]
        assert kinds == [Classification, Delta, Delta, End]
        assert client.status().instances[0].phase is Phase.HOT

    await asyncio.to_thread(use)


async def test_who_asks_is_told_of_a_warm_up_before_all_else(
    client: Client, service: Service
) -> None:
    service.warming_ms = 8_500

    def use() -> None:
        assert next(client.stream_reply("你好", progress=True)) == Warming(8.5)
        assert next(client.judge_and_reply("你好", progress=True)) == Warming(8.5)
        assert next(client.stream_reply("你好")) == Delta("你好")

    await asyncio.to_thread(use)


async def test_a_shed_is_retried_as_the_pushback_says(client: Client, service: Service) -> None:
    service.refusals.extend([shed(10), shed(10)])
    assert (await asyncio.to_thread(client.classify, "好")).label == "正面"
    service.refusals.extend([shed(1)] * 20)
    with pytest.raises(Overloaded):
        await asyncio.to_thread(client.classify, "好")
    assert len(service.seen) == 6


async def test_bad_input_names_the_field(client: Client, service: Service) -> None:
    service.refusals.append(invalid("text", "is blank"))
    with pytest.raises(InvalidInput) as caught:
        await asyncio.to_thread(client.classify, " ")
    assert caught.value.violations[0].field == "text"


async def test_a_call_out_of_time_says_so(client: Client) -> None:
    with pytest.raises(DeadlineExceeded):
        await asyncio.to_thread(client.classify, "hang", timeout_s=0.1)


async def test_a_stream_is_retried_only_before_its_first_message(
    client: Client, service: Service
) -> None:
    service.refusals.append(shed(10))
    assert len(await asyncio.to_thread(list, client.stream_reply("你好"))) == 3
    service.refuse_after_first = Refusal(grpc.StatusCode.UNAVAILABLE, "lost")
    with pytest.raises(Unavailable, match="lost"):
        await asyncio.to_thread(list, client.stream_reply("你好"))
    assert len(service.seen) == 3


async def test_a_stream_without_its_end_is_a_failure(client: Client, service: Service) -> None:
    service.leave_out_end = True
    with pytest.raises(ServerFailure, match="before its last message"):
        await asyncio.to_thread(list, client.stream_reply("你好"))


async def test_closing_a_stream_cancels_it_upstream(client: Client, service: Service) -> None:
    events = client.stream_reply("hang")
    assert await asyncio.to_thread(next, events) == Delta("你好")
    await asyncio.to_thread(events.close)
    await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_every_item_gets_its_own_outcome_in_its_turn(
    client: Client, service: Service
) -> None:
    service.refusals.append(shed(5))
    texts = ["slow", "太差了", "bad", "\udce4", "slower"]
    outcomes = await asyncio.to_thread(list, client.classify_many(texts))
    assert [outcome.text for outcome in outcomes] == texts
    assert isinstance(outcomes[2].outcome, InvalidInput)
    assert isinstance(outcomes[3].outcome, InvalidInput)
    assert isinstance(outcomes[1].outcome, Classification)
    assert outcomes[1].outcome.label == "负面"
    assert service.most_under_way > 1


async def test_many_items_never_run_far_ahead(client: Client, service: Service) -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield f"好{number}"

    def use() -> int:
        answered = 0
        for _ in client.classify_many(items(), concurrency=4):
            answered += 1
            assert taken - answered <= 16
        return answered

    assert await asyncio.to_thread(use) == 300
    assert service.most_under_way <= 4


async def test_what_the_items_raise_comes_after_their_answers(client: Client) -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise LookupError("no more")

    outcomes = client.classify_many(items())
    assert (await asyncio.to_thread(next, outcomes)).text == "a"
    with pytest.raises(LookupError, match="no more"):
        await asyncio.to_thread(next, outcomes)


async def test_leaving_many_items_leaves_no_thread_behind(client: Client, service: Service) -> None:
    before = set(threading.enumerate())
    outcomes = client.classify_many(["a", "later", *["hang"] * 200], concurrency=4, timeout_s=90)
    await asyncio.to_thread(next, outcomes)
    await asyncio.wait_for(service.hanging.wait(), 5)
    assert len(_threads_since(before)) >= 2
    await asyncio.to_thread(outcomes.close)
    await asyncio.wait_for(service.cancelled.wait(), 5)
    await eventually(lambda: _threads_since(before) == [])


def _threads_since(before: set[threading.Thread]) -> list[str]:
    """The new threads but those of asyncio.to_thread and the one that polls for grpc.aio."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread not in before
        and not thread.name.startswith("asyncio")
        and "_poll_wrapper" not in thread.name
    ]


async def test_a_client_works_without_a_with_block_until_it_is_closed(service: Service) -> None:
    client = Client(service.address)
    assert (await asyncio.to_thread(client.classify, "好")).label == "正面"
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.status()

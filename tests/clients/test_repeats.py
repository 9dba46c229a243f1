"""Equal texts of one bulk are asked once, and each still has its own place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from support.scripted_service import Service, shed

from tidegate.clients import AsyncClient, Classification, ClassifiedItem, Client, Item, Overloaded
from tidegate.clients.repeats import Repeats

Ask = Callable[[str, Iterable[str | Item]], "asyncio.Future[list[ClassifiedItem]]"]


def answer(label: str, version: str = "1", profile: str = "sentiment") -> Classification:
    return Classification(label, 0.9, (), profile, version, "model", False, False, None)  # type: ignore[arg-type]


async def on_tasks(address: str, items: Iterable[str | Item]) -> list[ClassifiedItem]:
    async with AsyncClient(address, attempts=1) as client:
        return [each async for each in client.classify_many(items, concurrency=4)]


async def on_threads(address: str, items: Iterable[str | Item]) -> list[ClassifiedItem]:
    def use() -> list[ClassifiedItem]:
        with Client(address, attempts=1) as client:
            return list(client.classify_many(items, concurrency=4))

    return await asyncio.to_thread(use)


both = pytest.mark.parametrize("ask", [on_tasks, on_threads])


def asked(service: Service) -> Counter[str]:
    return Counter(seen.request.text for seen in service.seen)  # type: ignore[attr-defined]


@both
async def test_equal_texts_are_asked_once_and_each_is_answered_in_its_place(
    ask: Ask, service: Service
) -> None:
    texts = ["slow", "slow", "太差了", "slow", "太差了", "好"] * 20
    outcomes = await ask(service.address, texts)
    assert asked(service) == {"slow": 1, "太差了": 1, "好": 1}
    assert [each.text for each in outcomes] == texts
    assert [each.item_id for each in outcomes] == [str(n) for n in range(120)]
    labels = [each.outcome.label for each in outcomes if isinstance(each.outcome, Classification)]
    assert labels == ["正面", "正面", "负面", "正面", "负面", "正面"] * 20
    assert sum(each.is_repeated for each in outcomes) == 117
    assert not outcomes[0].is_repeated


@both
async def test_a_text_under_another_prompt_is_another_text(ask: Ask, service: Service) -> None:
    items = [
        Item("好"),
        Item("好", profile="shop"),
        Item("好", system_prompt="judge"),
        Item("好", item_id="again"),
    ]
    outcomes = await ask(service.address, items)
    assert [each.is_repeated for each in outcomes] == [False, False, False, True]
    assert outcomes[-1].item_id == "again"


@both
async def test_what_failed_is_asked_again_by_each_that_is_equal(ask: Ask, service: Service) -> None:
    service.refusals.append(shed(-1))
    outcomes = await ask(service.address, ["好"] * 8)
    assert isinstance(outcomes[0].outcome, Overloaded) or len(service.seen) > 1
    assert sum(isinstance(each.outcome, Overloaded) for each in outcomes) == 1
    assert await ask(service.address, ["bad"] * 3)
    assert asked(service)["bad"] == 3


def test_an_answer_of_another_version_ends_what_is_remembered() -> None:
    repeats: Repeats[None] = Repeats()
    repeats.keep(("a", None, None), answer("正面"))
    repeats.keep(("b", None, None), answer("正面", profile="shop", version="7"))
    assert repeats.find(("a", None, None)) == answer("正面")
    repeats.keep(("c", None, None), answer("负面", version="2"))
    assert repeats.find(("a", None, None)) is None
    assert repeats.find(("b", None, None)) is None
    assert repeats.find(("c", None, None)) == answer("负面", version="2")


def test_only_the_latest_are_remembered() -> None:
    repeats: Repeats[None] = Repeats(most=2)
    for text in "ab":
        repeats.keep((text, None, None), answer(text))
    assert repeats.find(("a", None, None)) is not None
    repeats.keep(("c", None, None), answer("c"))
    assert repeats.find(("b", None, None)) is None
    assert repeats.find(("a", None, None)) is not None

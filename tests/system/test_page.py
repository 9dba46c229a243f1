"""The web page as people use it: a real browser, the real programs, servers that only take time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from support.chromium import ask, opened, running_chromium
from support.service import Service
from support.stage import Stage, running_stage

from tidegate.v1.chat_pb2 import StreamReplyRequest
from tidegate.v1.chat_pb2_grpc import ChatStub

EXAMPLE = "今天的实验终于成功了，太棒了！"

# One browser for all: its objects belong to the loop in which it was started.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two quiet servers, half a dozen steps a second for a person to watch."""
    with running_stage(tmp_path_factory.mktemp("stage"), servers=2) as running:
        yield running


async def until(condition: object, what: str, within_s: float = 15.0) -> None:
    """Poll a blocking condition beside the browser."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    while not await asyncio.to_thread(condition):  # type: ignore[arg-type]
        assert loop.time() < end_s, f"{what} did not happen within {within_s} s"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def crowd(stage: Stage, size: int) -> AsyncIterator[None]:
    """So many callers who ask for one reply after another, for the length of a block."""
    async with grpc.aio.insecure_channel(stage.balancer) as channel:
        chat = ChatStub(channel)

        async def asking(number: int) -> None:
            try:
                async for _ in chat.StreamReply(StreamReplyRequest(text=f"问题{number}")):
                    pass
            except grpc.aio.AioRpcError:
                # A refusal comes at once; who is refused asks again, but not in a spin.
                await asyncio.sleep(0.1)

        async def caller(number: int) -> None:
            while True:
                await asking(number)

        callers = [asyncio.ensure_future(caller(number)) for number in range(size)]
        try:
            yield
        finally:
            for each in callers:
                each.cancel()
            await asyncio.gather(*callers, return_exceptions=True)


async def test_the_label_is_seen_before_the_replys_first_character_and_the_reply_grows(
    stage: Stage, browser: Browser
) -> None:
    async with opened(browser, stage.url) as page:
        # What a reader could see, noted after each change of the page.
        await page.evaluate(
            """() => {
              window.seen = [];
              const note = () => {
                const label = document.querySelector(".label:not([hidden]) .verdict")?.innerText ?? "";
                const reply = document.querySelector(".reply:not([hidden])")?.innerText ?? "";
                window.seen.push([label, reply.length]);
              };
              new MutationObserver(note).observe(document.querySelector("#exchanges"),
                { subtree: true, childList: true, characterData: true, attributes: true });
            }"""
        )
        await ask(page, EXAMPLE)
        await expect(page.locator(".exchange")).to_have_attribute("data-state", "done")
        seen = await page.evaluate("window.seen")
        label = [length for said, length in seen if "正面" in said]
        assert not any(length for said, length in seen if "正面" not in said)
        assert label[0] == 0
        assert len({length for length in label if length}) > 10, "the reply came in one piece"
        assert await page.inner_text(".face") == "😄"
        assert await page.inner_text(".asked") == EXAMPLE
        facts = await page.inner_text("ul.facts")
        assert re.search(r"首字 [\d.]+ 秒\s+[\d.]+ 词元/秒\s+缓存 \d+ / \d+ 词元", facts)
        assert any(name in facts for name in stage.servers)


@pytest.mark.parametrize("how", ["click", "Escape"])
async def test_stopping_cancels_the_call_and_frees_the_slot(
    stage: Stage, browser: Browser, how: str
) -> None:
    cancelled = stage.chat_counts().get("cancelled", 0)
    async with opened(browser, stage.url) as page:
        await ask(page, EXAMPLE)
        await expect(page.locator("[data-state=writing]")).to_be_visible()
        assert stage.chats_in_flight() == 1
        if how == "click":
            await page.click("#stop")
        else:
            await page.keyboard.press("Escape")
        await until(lambda: stage.chats_in_flight() == 0, "the slot coming free", 2.0)
        assert stage.chat_counts()["cancelled"] == cancelled + 1
        await expect(page.locator(".notice")).to_contain_text("已停止")
        reply = await page.inner_text(".reply")
        assert reply
        await expect(page.locator("#send")).to_be_visible()
        assert await page.evaluate("document.activeElement.id") == "input"


async def test_closing_the_tab_frees_the_slot(stage: Stage, browser: Browser) -> None:
    async with opened(browser, stage.url) as page:
        await ask(page, EXAMPLE)
        await expect(page.locator("[data-state=writing]")).to_be_visible()
    await until(lambda: stage.chats_in_flight() == 0, "the slot coming free", 2.0)


async def test_an_overload_brings_a_short_answer_that_says_so_and_the_full_one_on_demand(
    browser: Browser, tmp_path: Path
) -> None:
    busy = ("--degrade-enter-s", "1", "--degrade-leave-s", "0.5", "--chat-queue-limit", "64")
    # Every chat that would wait is answered in short, whatever that costs the others.
    busy += ("--short-share", "1")
    with running_stage(tmp_path, step_s=0.03, server=("--chat-slots", "1"), balancer=busy) as stage:
        async with opened(browser, stage.url) as page:
            async with crowd(stage, 6):
                await until(lambda: stage.chat_counts().get("degraded", 0) > 5, "the overload")
                await ask(page, "等了两个星期才到，包装还破了。")
                notice = page.locator(".notice")
                await expect(notice).to_contain_text("简短回答")
                assert await page.inner_text(".word")
                assert "等了两个星期才到" in await page.inner_text(".reply")
                # Who declines a short answer is told when a full one can be had.
                await notice.get_by_role("button", name="要完整回复").click()
                await expect(page.locator(".exchange")).to_have_attribute(
                    "data-state", re.compile("refused|waiting|writing|done")
                )
            await expect(page.locator(".exchange")).to_have_attribute(
                "data-state", "done", timeout=40_000
            )
            await expect(notice).to_be_hidden()
            assert "模拟" in await page.inner_text(".reply")


async def test_a_refusal_counts_down_and_comes_back_as_told(
    browser: Browser, tmp_path: Path
) -> None:
    full = ("--degrade-enter-s", "3000", "--degrade-leave-s", "3000", "--chat-queue-limit", "2")
    with running_stage(tmp_path, server=("--chat-slots", "1"), balancer=full) as stage:
        async with opened(browser, stage.url) as page:
            async with crowd(stage, 6):
                await until(lambda: stage.chat_counts().get("shed", 0) > 3, "the overload")
                await ask(page, EXAMPLE)
                await expect(page.locator("[data-state=refused]")).to_be_visible()
                notice = await page.inner_text(".notice")
                # On a machine that is busy with other things the balancer may say so first.
                assert re.search("QUEUE_FULL|OVERLOADED", notice)
                assert re.search(r"\d+ 秒后自动重试（第 1 次，共 3 次）", notice)
            await expect(page.locator("[data-state=done]")).to_be_visible(timeout=40_000)
            assert (
                await page.evaluate(
                    "JSON.parse(sessionStorage['tidegate.conversation'] ?? '{}').exchanges[0].attempt"
                )
                >= 1
            )


async def test_the_fleet_view_shows_an_instance_being_killed(
    browser: Browser, tmp_path: Path
) -> None:
    with running_stage(tmp_path, servers=2) as stage:
        async with opened(browser, f"{stage.url}#fleet") as page, crowd(stage, 4):
            rows = page.locator("#instances li")
            await expect(page.locator("#instances [data-phase=hot]")).to_have_count(2)
            await expect(page.locator("#tiles .figure").first).to_have_text("2")
            await expect(page.locator("#charts svg[role=img]").first).to_have_attribute(
                "aria-label", re.compile(r"完整 [\d.,]*[1-9]")
            )
            name, program = next(iter(stage.servers.items()))
            program.process.kill()
            gone = rows.filter(has_text=name)
            await expect(gone).to_have_attribute("data-phase", "gone")
            await expect(page.locator("#tiles .figure").first).to_have_text("1")
            await expect(page.locator("#health")).to_contain_text("1 个实例就绪")
            chat = page.locator("#lanes [data-key=chat]")
            await expect(chat.locator(".counts")).to_contain_text(re.compile(r"完整\s*\d"))


async def test_a_balancer_that_is_away_is_said_and_the_page_comes_back_by_itself(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    from support.programs import free_port, running

    port, web_port = free_port(), free_port()
    show = ["tidegate", "web", "--address", f"127.0.0.1:{port}", "--port", str(web_port)]
    instances = ",".join(name.removeprefix("tidegate-").replace("-", ":") for name in stage.servers)
    balance = ["tidegate-balancer", "--instances", instances, "--port", str(port)]
    with running(show, tmp_path / "web") as program:
        program.wait_for("shows the balancer", 30)
        async with opened(browser, f"http://127.0.0.1:{web_port}/") as page:
            await expect(page.locator("#away")).to_contain_text(f"127.0.0.1:{port}")
            await expect(page.locator("#health")).to_contain_text("不在线")
            await ask(page, EXAMPLE)
            await expect(page.locator(".notice")).to_contain_text("一回来就自动发送")
            with running(balance, tmp_path / "balancer"):
                await expect(page.locator("[data-state=done]")).to_be_visible(timeout=30_000)
                await expect(page.locator("#away")).to_be_hidden()
            await expect(page.locator("#away")).to_be_visible()


async def test_the_bundled_model_finds_the_example_positive(
    service: Service, browser: Browser
) -> None:
    (url,) = re.findall(r"web page +(http://\S+)", service.program.output)
    async with opened(browser, url) as page:
        await ask(page, EXAMPLE)
        await expect(page.locator(".label")).to_contain_text("正面", timeout=60_000)
        assert await page.inner_text(".face") == "😄"
        await page.keyboard.press("Escape")

"""The page in a real browser, before a service whose answers the test writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from support.chromium import ask, opened, running_chromium
from support.gateway import running_gateway
from support.npm import installed
from support.scripted_service import Refusal, Service, invalid, running_service, shed

from tidegate.v1 import fleet_pb2

# One browser for all: its objects belong to the loop in which it was started.
pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
AXE = "axe-core@4.14.1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_chromium() as running:
        yield running


@dataclass(frozen=True)
class Site:
    """Where the page is, and the service that answers it."""

    url: str
    service: Service


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with running_service() as service, running_gateway(service.address) as web:
        service.watched_to_no_end = True
        yield Site(web.url, service)


async def answered(page: Page, text: str = "你好") -> None:
    """Ask, and wait for the end of the answer."""
    await ask(page, text)
    await expect(page.locator(".exchange").last).to_have_attribute("data-state", "done")


async def refused(page: Page, site: Site, refusal: Refusal, text: str) -> None:
    """Ask, and be refused; the fleet is watched by then and takes no refusal for itself."""
    await expect(page.locator("#health")).to_have_attribute("data-tone", "good")
    site.service.refusals.append(refusal)
    await ask(page, text)


async def is_wider_than_the_window(page: Page) -> bool:
    return bool(await page.evaluate("document.scrollingElement.scrollWidth > innerWidth"))


async def test_markup_in_texts_and_replies_is_shown_as_text(site: Site, browser: Browser) -> None:
    site.service.deltas = ["<b>粗</b>", TRAP]
    async with opened(browser, site.url) as page:
        await answered(page, TRAP)
        assert await page.inner_text(".asked") == TRAP
        assert await page.inner_text(".reply") == f"<b>粗</b>{TRAP}"
        assert await page.title() == "Tidegate 潮闸"
        assert await page.locator("#exchanges :is(img, script, b)").count() == 0


async def test_a_megabyte_is_refused_before_it_is_sent(site: Site, browser: Browser) -> None:
    async with opened(browser, site.url) as page:
        await expect(page.locator("#health")).to_contain_text("就绪")
        await page.evaluate(
            """() => {
              const input = document.querySelector("#input");
              input.focus();
              const data = new DataTransfer();
              input.value = "字".repeat(1048576);
              input.dispatchEvent(new InputEvent("input", { bubbles: true }));
            }"""
        )
        await expect(page.locator("#count")).to_contain_text("最多 32,768 字，现在 1,048,576 字")
        await expect(page.locator("#send")).to_be_disabled()
        await page.press("#input", "Enter")
        assert await page.locator(".exchange").count() == 0
        assert [seen.method for seen in site.service.seen if seen.method != "WatchStatus"] == []


async def test_a_warm_up_is_counted_down_and_then_answered(site: Site, browser: Browser) -> None:
    site.service.warming_ms = 8_200
    site.service.warm.clear()
    async with opened(browser, site.url) as page:
        await ask(page, "你好")
        exchange = page.locator(".exchange")
        await expect(exchange).to_have_attribute("data-state", "warming")
        await expect(page.locator(".thinking")).to_contain_text("正在预热，约 9 秒后开始")
        await expect(page.locator(".thinking")).to_contain_text("约 8 秒后")
        site.service.warm.set()
        await expect(exchange).to_have_attribute("data-state", "done")
        await expect(page.locator(".thinking")).to_be_hidden()


async def test_a_stream_that_breaks_keeps_what_came_and_can_be_asked_again(
    site: Site, browser: Browser
) -> None:
    site.service.refuse_after_first = Refusal(grpc.StatusCode.UNAVAILABLE, "lost")
    async with opened(browser, site.url) as page:
        await ask(page, "你好")
        exchange = page.locator(".exchange")
        await expect(exchange).to_have_attribute("data-state", "broken")
        await expect(exchange.locator(".notice")).to_contain_text("中途断了")
        assert await page.inner_text(".reply") == "你好"
        assert await page.inner_text(".word") == "正面"
        site.service.refuse_after_first = None
        await exchange.get_by_role("button", name="再问一次").click()
        await expect(exchange).to_have_attribute("data-state", "done")
        assert await page.inner_text(".reply") == "你好，世界"


async def test_input_that_the_server_refuses_says_why_and_is_not_tried_again(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url, locale="en-GB") as page:
        await refused(page, site, invalid("text", "'x' is wrong"), "x")
        await expect(page.locator(".notice")).to_contain_text("text: 'x' is wrong")
        await expect(page.locator(".exchange")).to_have_attribute("data-state", "failed")


async def test_a_refusal_that_forbids_coming_back_is_not_tried_again(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url, locale="en-GB") as page:
        await refused(page, site, shed(-1), "x")
        await expect(page.locator(".notice")).to_contain_text("would be in vain")


async def test_waiting_for_a_retry_can_be_given_up(site: Site, browser: Browser) -> None:
    async with opened(browser, site.url, locale="en-GB") as page:
        await refused(page, site, shed(25_000), "x")
        await expect(page.locator(".countdown")).to_contain_text("Tries again in 25 s")
        await page.get_by_role("button", name="Don't wait").click()
        await expect(page.locator(".exchange")).to_have_attribute("data-state", "stopped")
        assert sum(seen.method == "JudgeAndReply" for seen in site.service.seen) == 1


async def test_stopping_cancels_a_call_from_which_nothing_more_comes(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url) as page:
        await ask(page, "hang")
        await expect(page.locator(".reply")).to_have_text("你好")
        await page.keyboard.press("Escape")
        await asyncio.wait_for(site.service.cancelled.wait(), 3)
        await expect(page.locator(".exchange")).to_have_attribute("data-state", "stopped")


async def test_a_conversation_goes_on_with_what_was_said_and_its_name(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url) as page:
        await answered(page, "一")
        await answered(page, "二")
        first, second = (each for each in site.service.seen if each.method == "JudgeAndReply")
        assert [turn.content for turn in second.request.turns] == ["一", "你好，世界", "二"]
        name = first.request.conversation_id
        assert name
        assert second.request.conversation_id == name
        await page.click("#fresh")
        await answered(page, "三")
        third = site.service.seen[-1]
        assert [turn.content for turn in third.request.turns] == ["三"]
        assert third.request.conversation_id != name


async def test_a_reload_keeps_the_conversation_and_another_tab_has_its_own(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url) as page:
        await answered(page, "记住我")
        await page.reload()
        await expect(page.locator(".asked")).to_have_text("记住我")
        await expect(page.locator(".reply")).to_have_text("你好，世界")
        other = await page.context.new_page()
        await other.goto(site.url)
        await expect(other.locator("#hero")).to_be_visible()
        await answered(other, "另一个")
        assert await page.locator(".exchange").count() == 1


async def test_a_reload_in_the_midst_of_a_reply_cancels_it_and_keeps_what_came(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url) as page:
        await ask(page, "hang")
        await expect(page.locator(".reply")).to_have_text("你好")
        await page.reload()
        await asyncio.wait_for(site.service.cancelled.wait(), 5)
        await expect(page.locator(".exchange")).to_have_attribute("data-state", "broken")
        await expect(page.locator(".reply")).to_have_text("你好")


async def test_the_back_button_goes_between_the_views(site: Site, browser: Browser) -> None:
    async with opened(browser, site.url) as page:
        await answered(page)
        await page.get_by_role("link", name="机群").click()
        await expect(page.locator("#fleet h1")).to_be_visible()
        await expect(page.locator("#talk")).to_be_hidden()
        await page.go_back()
        await expect(page.locator(".reply")).to_have_text("你好，世界")


async def test_the_scalers_decisions_are_shown_with_their_reasons(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, f"{site.url}#fleet") as page:
        await expect(page.locator("#scaler")).to_contain_text("不启动也不停止实例")
    scale = fleet_pb2.ScaleStatus(role=fleet_pb2.ROLE_BOTH, launched=2, minimum=1, maximum=4)
    scale.decisions.add(before=1, after=2, reason="8 calls for 4 slots for 2 s; 1 -> 2")
    site.service.scales.append(scale)
    async with opened(browser, f"{site.url}#fleet") as page:
        await expect(page.locator("#scaler h3")).to_have_text("两者：运行 2 个（1–4）")
        await expect(page.locator("#scaler li")).to_contain_text("1 → 2")
        await expect(page.locator("#scaler li")).to_contain_text("8 calls for 4 slots for 2 s")


async def test_the_language_follows_the_browser_and_then_what_was_chosen(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url, locale="en-GB") as page:
        assert await page.get_attribute("html", "lang") == "en"
        await answered(page)
        await expect(page.locator(".meaning")).to_have_text("positive")
        await page.get_by_role("button", name="切换到中文").click()
        await expect(page.locator("#send")).to_have_text("发送")
        await expect(page.locator("ul.facts")).to_contain_text("首字")
        await page.reload()
        assert await page.get_attribute("html", "lang") == "zh-CN"


async def test_dark_and_light_follow_the_system_and_then_what_was_chosen(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url, color_scheme="dark", locale="en-GB") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = await page.evaluate(colour)
        await page.click("#look")
        light = await page.evaluate(colour)
        assert light != dark
        await page.reload()
        assert await page.evaluate(colour) == light
        await expect(page.locator("#look")).to_have_text("Dark")


async def test_enter_that_chooses_a_word_of_an_input_method_sends_nothing(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, site.url) as page:
        await page.fill("#input", "ni hao")
        is_left_alone = await page.evaluate(
            """() => document.querySelector("#input").dispatchEvent(new KeyboardEvent("keydown",
              { key: "Enter", isComposing: true, bubbles: true, cancelable: true }))"""
        )
        assert is_left_alone
        await page.press("#input", "Shift+Enter")
        assert await page.input_value("#input") == "ni hao\n"
        assert await page.locator(".exchange").count() == 0


async def test_everything_can_be_reached_by_the_keyboard(site: Site, browser: Browser) -> None:
    async with opened(browser, site.url) as page:
        await answered(page)
        reached = []
        for _ in range(9):
            await page.keyboard.press("Tab")
            reached.append(
                await page.evaluate(
                    """() => {
                      const { activeElement: at } = document;
                      const seen = getComputedStyle(at).outlineStyle !== "none"
                        || getComputedStyle(at.closest(".field") ?? at).boxShadow !== "none";
                      return (at.id || at.hash || at.className) + (seen ? "" : " unseen");
                    }"""
                )
            )
        # From the input on; after the last one the browser itself has its turn.
        assert reached[0] == "fresh"
        wanted = ["#talk", "#talk", "#talk", "#fleet", "language", "look", "input"]
        assert reached[2:] == wanted
        await page.locator(".skip").focus()
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "input"


@pytest.mark.parametrize(
    ("size", "text"),
    [((390, 800), "100%"), ((320, 640), "100%"), ((1280, 800), "200%"), ((640, 800), "200%")],
)
async def test_nothing_is_cut_off_on_a_phone_or_at_twice_the_text_size(
    site: Site, browser: Browser, size: tuple[int, int], text: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    async with opened(browser, site.url, viewport=viewport) as page:
        await page.evaluate("size => { document.documentElement.style.fontSize = size }", text)
        await answered(page, "很长很长" * 30 + "x" * 200)
        assert not await is_wider_than_the_window(page)
        await page.evaluate("location.hash = '#fleet'")
        await expect(page.locator("#instances li")).to_be_visible()
        assert not await is_wider_than_the_window(page)


async def test_the_first_view_weighs_less_than_100_kb_and_comes_from_one_host(
    site: Site, browser: Browser
) -> None:
    async with opened(browser, "about:blank") as page:
        sizes: dict[str, asyncio.Future[dict[str, int]]] = {}
        page.on(
            "requestfinished",
            lambda call: sizes.setdefault(call.url, asyncio.ensure_future(call.sizes())),
        )
        asked: set[str] = set()
        page.on("request", lambda call: asked.add(call.url))
        await page.goto(site.url)
        await expect(page.locator("#health")).to_contain_text("就绪")
        await page.wait_for_load_state("load")
        weights = {
            url: (got := await size)["responseBodySize"] + got["responseHeadersSize"]
            for url, size in sizes.items()
        }
    assert all(url.startswith(site.url) for url in asked)
    assert len(weights) >= 13
    assert 10_000 < sum(weights.values()) < 100_000


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core; kept between runs if TIDEGATE_TEST_CACHE says so."""
    kept = os.environ.get("TIDEGATE_TEST_CACHE")
    folder = Path(kept) / "axe" if kept else tmp_path_factory.mktemp("axe")
    return (installed(folder, AXE) / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_axe_finds_nothing_serious(site: Site, browser: Browser, axe: str, look: str) -> None:
    async with opened(browser, site.url, color_scheme=look, reduced_motion="reduce") as page:

        async def problems() -> list[str]:
            await page.evaluate(axe)
            found = await page.evaluate("axe.run()")
            return [
                f"{each['id']}: {node['html']} {node['failureSummary']}"
                for each in found["violations"]
                if each["impact"] in {"serious", "critical"}
                for node in each["nodes"]
            ]

        assert await problems() == []
        await answered(page)
        await refused(page, site, shed(25_000), "好")
        await expect(page.locator("[data-state=refused]")).to_be_visible()
        assert await problems() == []
        await page.keyboard.press("Escape")
        await page.evaluate("location.hash = '#fleet'")
        await expect(page.locator("#instances li")).to_be_visible()
        assert await problems() == []

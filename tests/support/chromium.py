"""A real Chromium without a screen, driven by Playwright; a page of it fails on any error of its console."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The binary: TIDEGATE_CHROMIUM, or `chromium` on the PATH. Without one, skip; in CI, fail."""
    binary = os.environ.get("TIDEGATE_CHROMIUM") or shutil.which("chromium")
    if binary is None:
        problem = "no Chromium: set TIDEGATE_CHROMIUM, or run scripts/fetch_chromium.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    return binary


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """The browser, for the length of a block."""
    binary = find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=[*_ARGUMENTS])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, **options: object) -> AsyncIterator[Page]:
    """A page in a context of its own; an error in its console, or of its script, fails the test."""
    context = await browser.new_context(**{"locale": "zh-CN", **options})  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on(
        "console",
        lambda message: (
            wrong.append(message.text) if message.type in {"error", "warning"} else None
        ),
    )
    try:
        page = await context.new_page()
        await page.goto(url)
        yield page
        assert wrong == []
    finally:
        await context.close()


async def ask(page: Page, text: str) -> None:
    """Type it and press Enter, as a person does."""
    await page.fill("#input", text)
    await page.press("#input", "Enter")

"""Prompts that are written beside each other: who waits for whom."""

import asyncio
import threading

from support.scripted_model import ByteTokenizer

from tidegate.server.builtin_profiles import builtin_profiles
from tidegate.server.prompts import PromptWriter, Speaker, Turn
from tidegate.server.scribe import Scribe, Written

PROFILE = builtin_profiles("chatml")["sentiment"]
LONG = "这家店不错。" * 1000


class SlowTokenizer(ByteTokenizer):
    """Takes until it is released for texts like `LONG`."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()

    def encode(self, text: str) -> list[int]:
        if "这家店不错" in text:
            self.may_go.wait(10)
        return super().encode(text)


async def test_a_short_text_doesnt_wait_for_any_number_of_long_ones():
    tokenizer = SlowTokenizer()
    scribe = Scribe(PromptWriter(tokenizer, "chatml"), context_tokens=100_000)
    try:
        long = [asyncio.create_task(written(scribe, LONG)) for _ in range(4)]
        await asyncio.wait_for(written(scribe, "很好"), 5)
        assert not any(each.done() for each in long)
        tokenizer.may_go.set()
        assert all(each.was_cut for each in await asyncio.gather(*long))
    finally:
        tokenizer.may_go.set()
        scribe.stop()


async def written(scribe: Scribe, text: str) -> Written:
    return await scribe.write(PROFILE, [Turn(Speaker.USER, text)], None)

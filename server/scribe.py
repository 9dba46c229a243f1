"""Writes the prompt of one call, off the event loop: cuts its texts, then makes its tokens.

Finds the sentence that stands for a text there too. Knows nothing of what the prompt is for.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tidegate.server.edge import refuse_long_prompt
from tidegate.server.engine.sequence import Prompt
from tidegate.server.profile import Limits, Profile
from tidegate.server.prompts import PromptWriter, Speaker, Turn
from tidegate.server.refusal import RefusedError
from tidegate.server.summary import sum_up
from tidegate.server.truncation import Cut, cut

# Cutting holds the interpreter: more threads would not cut faster, only keep the loop waiting.
_THREADS = 2
_LONG_CHARACTERS = 2048
"""Texts above have a thread of their own: cutting the longest takes 12 ms, and usual ones would wait for a row of them."""


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt that fits, and whether anything was left out of the caller's texts."""

    prompt: Prompt
    was_cut: bool


class Scribe:
    """Writes for one engine, whose slots hold `context_tokens`. `stop` ends its threads."""

    def __init__(self, writer: PromptWriter, context_tokens: int) -> None:
        self._writer = writer
        self._context_tokens = context_tokens
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scribe")
        self._for_long = ThreadPoolExecutor(1, thread_name_prefix="scribe-long")

    async def write(
        self, profile: Profile, turns: Sequence[Turn], system_prompt: str | None
    ) -> Written:
        """Return the prompt for an answer to the last of `turns`, each user turn cut.

        Raises RefusedError (INVALID_ARGUMENT) for a prompt that leaves no room for an answer.
        """
        characters = sum(len(turn.content) for turn in turns) + len(system_prompt or "")
        threads = self._for_long if characters > _LONG_CHARACTERS else self._threads
        loop = asyncio.get_running_loop()
        written = await loop.run_in_executor(threads, self._write, profile, turns, system_prompt)
        tokens = len(written.prompt.tokens)
        if tokens >= self._context_tokens:
            field = "text" if len(turns) == 1 else "turns"
            raise RefusedError(refuse_long_prompt(field, tokens, self._context_tokens))
        return written

    async def sum_up(self, text: str) -> str:
        """Return the one sentence of `text` that stands for it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, sum_up, text)

    def stop(self) -> None:
        """End the threads."""
        for each in (self._threads, self._for_long):
            each.shutdown(wait=False, cancel_futures=True)

    def _write(self, profile: Profile, turns: Sequence[Turn], system_prompt: str | None) -> Written:
        kept = [_cut_turn(profile.limits, turn) for turn in turns]
        shortened = [replace(turn, content=one.text) for turn, one in zip(turns, kept, strict=True)]
        prompt = self._writer.write(profile, shortened, system_prompt)
        return Written(prompt, any(one.was_cut for one in kept))


def _cut_turn(limits: Limits, turn: Turn) -> Cut:
    if turn.speaker is not Speaker.USER:
        return Cut(turn.content, was_cut=False)
    return cut(
        turn.content,
        above=limits.cut_above_characters,
        head=limits.keep_head,
        tail=limits.keep_tail,
        keywords=limits.keywords,
    )

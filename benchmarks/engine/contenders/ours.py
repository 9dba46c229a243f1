"""Ours: the engine that the server runs, loaded the same way, without gRPC around it."""

import asyncio
import statistics
import time
from collections.abc import Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.engine.worker import peak_bytes
from tidegate.server.engine.idle_threads import let_idle_threads_sleep
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Finish, Prompt, Sampling

# What tidegate-server takes at once by default, and the slots it keeps for labels.
_CALLERS = 16
_RESERVED = 4
_LABELS = "正面", "负面"

Answer = TypeVar("Answer")


class Contestant:
    """The engine with `chats` slots for replies."""

    def __init__(self, folder: str, threads: int, chats: int, context_tokens: int) -> None:
        # As the server does it: before torch is imported.
        let_idle_threads_sleep()
        from tidegate.server.engine.loading import load_engine

        self._engine = load_engine(
            folder,
            cache_dir=Path(folder),
            slots=chats + _RESERVED,
            reserved=_RESERVED,
            context_tokens=context_tokens,
            threads=threads,
            progress=lambda stage, done, total: None,
        )
        self._loop = asyncio.new_event_loop()
        self._engine.start()
        # As a server that has been hot for some seconds.
        self._loop.run_until_complete(self._engine.pack())
        self._labels = LabelTree([self._engine.tokenizer.encode(word) for word in _LABELS])

    def prepare(self, system: str) -> None:
        """Do what the server does when it loads a profile: keep the fixed part of its prompts."""
        self._wait(self._engine.remember(self._engine.tokenizer.encode(system)))

    def label(self, system: str, text: str) -> float:
        """Return the seconds that one label takes."""
        began_s = time.perf_counter()
        self._wait(self._label(system, text))
        return time.perf_counter() - began_s

    def labels(self, system: str, texts: list[str]) -> float:
        """Return the seconds that the labels of `texts` take, with as many callers as allowed."""
        began_s = time.perf_counter()
        self._wait(self._label_all(system, texts))
        return time.perf_counter() - began_s

    def prefill(self, text: str) -> float:
        """Return the seconds to the first token of a reply."""
        return self.chats([text], 1)

    def chats(self, texts: list[str], write: int) -> float:
        """Return the seconds in which as many chats as texts write `write` tokens each, greedily."""
        prompts = [Prompt(tuple(self._engine.tokenizer.encode(text))) for text in texts]
        began_s = time.perf_counter()
        written = self._wait(self._write_all(prompts, write))
        seconds = time.perf_counter() - began_s
        if written != write * len(texts):
            raise ValueError(f"{written} tokens were written, not {write} by each of {len(texts)}")
        return seconds

    def decode_step(self, text: str, write: int) -> float:
        """Return the seconds of one step of one reply: what all but the first token took."""
        return (self.chats([text], write) - self.chats([text], 1)) / (write - 1)

    def labels_among_chats(
        self, system: str, chats: list[str], texts: list[str], write: int
    ) -> dict[str, Any]:
        """Ask for one label after the other while chats run.

        Returns the steps and the seconds that each label lived through, and what a step of the
        chats alone and a label alone take.
        """
        alone_s = statistics.median([self.label(system, text) for text in texts[:5]])
        plain_s = self.chats(chats, write) / write
        return {
            "label_alone_s": alone_s,
            "step_s": plain_s,
            **self._wait(self._labels_among(system, chats, texts)),
        }

    def peak_bytes(self) -> int:
        """Return the most memory that this process has had resident."""
        return peak_bytes()

    async def _label(self, system: str, text: str) -> None:
        fixed, words = map(self._engine.tokenizer.encode, (system, text))
        await self._engine.score(Prompt((*fixed, *words), len(fixed)), self._labels)

    async def _label_all(self, system: str, texts: list[str]) -> None:
        waiting = iter(texts)

        async def call() -> None:
            for text in waiting:
                await self._label(system, text)

        await asyncio.gather(*(call() for _ in range(_CALLERS)))

    async def _write_all(self, prompts: list[Prompt], write: int) -> int:
        return sum(await asyncio.gather(*(self._write(prompt, write) for prompt in prompts)))

    async def _write(self, prompt: Prompt, write: int) -> int:
        sampling = Sampling(temperature=0, repetition_penalty=1, max_tokens=write)
        async with aclosing(self._engine.reply(prompt, sampling)) as events:
            async for event in events:
                if isinstance(event, Finish):
                    return event.usage.completion_tokens
        raise ValueError("the reply had no end")

    async def _labels_among(
        self, system: str, chats: list[str], texts: list[str]
    ) -> dict[str, list[float]]:
        running = [asyncio.create_task(self._talk(text)) for text in chats]
        # The engine counts, it doesn't notify.
        while self._engine.load().running < len(chats):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        steps, seconds = [], []
        for number, text in enumerate(texts):
            # Spread over the phases of a step, evenly and always alike.
            await asyncio.sleep(0.01 * (number % 10))
            before, began_s = self._engine.load().steps, time.perf_counter()
            await self._label(system, text)
            seconds.append(time.perf_counter() - began_s)
            steps.append(float(self._engine.load().steps - before))
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return {"steps": steps, "seconds": seconds}

    async def _talk(self, text: str) -> None:
        """Reply again and again, until cancelled."""
        room = self._engine.context_tokens - len(text) - 8
        sampling = Sampling(temperature=0, repetition_penalty=1, max_tokens=room)
        while True:
            prompt = Prompt(tuple(self._engine.tokenizer.encode(text)))
            async with aclosing(self._engine.reply(prompt, sampling)) as events:
                async for _ in events:
                    pass

    def _wait(self, what: Awaitable[Answer]) -> Answer:
        async def awaited() -> Answer:
            return await what

        return self._loop.run_until_complete(awaited())

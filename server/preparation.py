"""Prepares profiles for the model, once for each version: label tokens, prior, cached prefix.

Knows nothing of gRPC, nor of where profiles come from.
"""

import asyncio
from dataclasses import dataclass

from tidegate.server.engine.engine import Engine
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import PromptTooLongError
from tidegate.server.profile import Profile, ProfileError
from tidegate.server.prompts import PromptWriter, Speaker, Turn
from tidegate.server.scoring import label_prior


@dataclass(frozen=True, slots=True)
class Prepared:
    """What answering by a profile needs beside the profile. Empty for a chat."""

    labels: LabelTree | None
    prior: tuple[float, ...]


class Preparations:
    """The prepared profiles of one engine; owned by one event loop."""

    def __init__(self, engine: Engine, writer: PromptWriter) -> None:
        self._engine = engine
        self._writer = writer
        self._latest: dict[str, tuple[str, asyncio.Task[Prepared]]] = {}

    async def prepare(self, profile: Profile) -> Prepared:
        """Return the prepared profile; the first call for a version does the work for all.

        A caller that goes away doesn't stop the work, because others may wait for it. Raises
        what the engine raises, and the next call tries again.
        """
        version, task = self._latest.get(profile.name, ("", None))
        if task is None or version != profile.version or (task.done() and _has_failed(task)):
            task = asyncio.create_task(self._prepare(profile))
            self._latest[profile.name] = (profile.version, task)
        return await asyncio.shield(task)

    async def _prepare(self, profile: Profile) -> Prepared:
        try:
            return await self._compute(profile)
        except PromptTooLongError as error:
            raise ProfileError(
                f"{profile.name}.toml", profile.name, "examples", str(error)
            ) from None

    async def _compute(self, profile: Profile) -> Prepared:
        file = f"{profile.name}.toml"
        labels = await asyncio.to_thread(self._writer.labels, profile, file)
        fixed = await asyncio.to_thread(self._writer.fixed, profile)
        if fixed:
            await self._engine.remember(fixed)
        if labels is None:
            return Prepared(None, ())
        # At once: the engine reads them in one step or two, where one by one each has its own.
        samples = await asyncio.gather(
            *(self._sample(profile, text, labels) for text in profile.calibration)
        )
        return Prepared(labels, label_prior(samples, len(labels.labels)))

    async def _sample(self, profile: Profile, text: str, labels: LabelTree) -> tuple[float, ...]:
        turns = (Turn(Speaker.USER, text),)
        prompt = await asyncio.to_thread(self._writer.write, profile, turns)
        return (await self._engine.score(prompt, labels)).logs

    async def stop(self) -> None:
        """Give up what is being prepared."""
        tasks = [task for _, task in self._latest.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _has_failed(task: asyncio.Task[Prepared]) -> bool:
    return task.cancelled() or task.exception() is not None

"""Prepares profiles for the model, once for each version: label tokens, prior, cached prefix.

Knows nothing of gRPC, nor of where profiles come from.
"""

import asyncio
from dataclasses import dataclass

from tidegate.server.engine.engine import Engine
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Prompt, PromptTooLongError
from tidegate.server.priors import Priors
from tidegate.server.profile import Profile, ProfileError
from tidegate.server.prompts import PromptWriter, Speaker, Turn
from tidegate.server.scoring import label_prior


@dataclass(frozen=True, slots=True)
class _Written:
    """A profile in token ids."""

    labels: LabelTree | None
    fixed: tuple[int, ...]
    samples: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What answering by a profile needs beside the profile. Empty for a chat."""

    labels: LabelTree | None
    prior: tuple[float, ...]


class Preparations:
    """The prepared profiles of one engine; owned by one event loop."""

    def __init__(self, engine: Engine, writer: PromptWriter, priors: Priors) -> None:
        self._engine = engine
        self._writer = writer
        self._priors = priors
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

    async def check(self, profile: Profile) -> None:
        """Raise ProfileError when `profile` can't be prepared; computes nothing."""
        written = await asyncio.to_thread(self._write, profile)
        longest = max([len(written.fixed), *(len(sample.tokens) for sample in written.samples)])
        if longest >= self._engine.context_tokens:
            raise _too_long(profile, PromptTooLongError(longest, self._engine.context_tokens))

    async def _prepare(self, profile: Profile) -> Prepared:
        try:
            return await self._compute(await asyncio.to_thread(self._write, profile))
        except PromptTooLongError as error:
            raise _too_long(profile, error) from None

    def _write(self, profile: Profile) -> _Written:
        labels = self._writer.labels(profile, f"{profile.name}.toml")
        texts = () if labels is None else profile.calibration
        return _Written(
            labels,
            self._writer.fixed(profile),
            tuple(self._writer.write(profile, (Turn(Speaker.USER, text),)) for text in texts),
        )

    async def _compute(self, written: _Written) -> Prepared:
        if written.fixed:
            await self._engine.remember(written.fixed)
        labels = written.labels
        if labels is None:
            return Prepared(None, ())

        async def prior() -> tuple[float, ...]:
            # At once: the engine reads them in a few steps, where one by one each has its own.
            samples = await asyncio.gather(
                *(self._engine.score(sample, labels) for sample in written.samples)
            )
            return label_prior([sample.logs for sample in samples], len(labels.labels))

        depends_on = (
            self._engine.fingerprint,
            labels.labels,
            [sample.tokens for sample in written.samples],
        )
        return Prepared(labels, await self._priors.get(depends_on, prior))

    async def stop(self) -> None:
        """Give up what is being prepared."""
        tasks = [task for _, task in self._latest.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _too_long(profile: Profile, error: PromptTooLongError) -> ProfileError:
    return ProfileError(f"{profile.name}.toml", profile.name, "examples", str(error))


def _has_failed(task: asyncio.Task[Prepared]) -> bool:
    return task.cancelled() or task.exception() is not None

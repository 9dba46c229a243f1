"""Judges a text: cuts it, asks the engine for its labels' logits, ranks them.

Knows nothing of gRPC calls; the answer is the message that every method sends.
"""

import asyncio

from tidegate.v1 import sentiment_pb2, usage_pb2

from .edge import refuse_long_prompt
from .engine.engine import Engine
from .engine.sequence import Prompt, Usage
from .preparation import Preparations
from .profile import Profile
from .prompts import PromptWriter, Speaker, Turn
from .refusal import RefusedError
from .scoring import confidence, rank
from .truncation import Cut, cut
from .validation import ClassifyCall


class Judge:
    """Labels texts by the profiles of one engine."""

    def __init__(self, engine: Engine, writer: PromptWriter, preparations: Preparations) -> None:
        self._engine = engine
        self._writer = writer
        self._preparations = preparations

    async def judge(
        self, call: ClassifyCall, deadline_s: float | None
    ) -> sentiment_pb2.ClassifyResponse:
        """Return the answer to `call`. Raises RefusedError and what the engine raises."""
        profile = call.profile
        prepared = await self._preparations.prepare(profile)
        # Cutting and tokenising compute, so they are kept off the event loop.
        prompt, kept = await asyncio.to_thread(self._write, call)
        if len(prompt.tokens) >= self._engine.context_tokens:
            raise RefusedError(
                refuse_long_prompt("text", len(prompt.tokens), self._engine.context_tokens)
            )
        scores = await self._engine.score(prompt, prepared.labels, deadline_s=deadline_s)
        ranked = rank(scores.logits, prepared.prior, profile.temperature)
        names = [label.name for label in profile.labels]
        return sentiment_pb2.ClassifyResponse(
            label=names[ranked[0].index],
            confidence=confidence(ranked[0].score, len(names)),
            scores=[
                sentiment_pb2.LabelScore(label=names[one.index], score=one.score) for one in ranked
            ],
            profile=profile.name,
            profile_version=profile.version,
            model=self._engine.model_name,
            truncated=kept.was_cut,
            usage=usage_message(scores.usage),
        )

    def _write(self, call: ClassifyCall) -> tuple[Prompt, Cut]:
        kept = cut_for(call.profile, call.text)
        turns = (Turn(Speaker.USER, kept.text),)
        return self._writer.write(call.profile, turns, call.system_prompt), kept


def cut_for(profile: Profile, text: str) -> Cut:
    """Return `text` cut as the limits of `profile` say."""
    limits = profile.limits
    return cut(
        text,
        above=limits.cut_above_characters,
        head=limits.keep_head,
        tail=limits.keep_tail,
        keywords=limits.keywords,
    )


def usage_message(usage: Usage) -> usage_pb2.Usage:
    """Return the message for what a sequence cost."""
    return usage_pb2.Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
    )

"""Judges a text: asks the engine for the logits of its labels, and ranks them.

Knows nothing of gRPC calls; the answer is the message that every method sends.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tidegate.server.engine.engine import Engine, Judged
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Prompt, Scores, Usage
from tidegate.server.preparation import Preparations
from tidegate.server.prompts import Speaker, Turn
from tidegate.server.scoring import confidence, rank
from tidegate.server.scribe import Scribe, Written
from tidegate.server.validation import ClassifyCall
from tidegate.v1 import sentiment_pb2, usage_pb2

# Enough to run what many tokens run; more of them would only keep the first callers waiting.
_FIRST_TOKENS = 8


class Judge:
    """Labels texts by the profiles of one engine."""

    def __init__(self, engine: Engine, scribe: Scribe, preparations: Preparations) -> None:
        self._engine = engine
        self._scribe = scribe
        self._preparations = preparations

    async def judge(
        self, call: ClassifyCall, deadline_s: float | None, *, is_bulk: bool = False
    ) -> sentiment_pb2.ClassifyResponse:
        """Return the answer to `call`, one of many if `is_bulk`. Raises RefusedError and what the engine raises."""
        prior, labels, written = await self._ask(call)
        scores = await self._engine.score(
            written.prompt, labels, deadline_s=deadline_s, is_bulk=is_bulk
        )
        return self._answer(call, prior, written, scores)

    async def warm_up(self, call: ClassifyCall) -> None:
        """Do once what answering `call` would do, over the first tokens of its prompt only.

        That prepares the profile, and reads every weight.
        """
        _, labels, written = await self._ask(call)
        await self._engine.score(Prompt(written.prompt.tokens[:_FIRST_TOKENS]), labels)

    @asynccontextmanager
    async def judged(
        self, call: ClassifyCall, deadline_s: float | None
    ) -> AsyncIterator[tuple[sentiment_pb2.ClassifyResponse, Judged]]:
        """Answer `call` as `judge` does, and keep what was read for a reply within the block."""
        prior, labels, written = await self._ask(call)
        async with self._engine.judge(written.prompt, labels, deadline_s=deadline_s) as judged:
            yield self._answer(call, prior, written, judged.scores), judged

    async def _ask(self, call: ClassifyCall) -> tuple[Sequence[float], LabelTree, Written]:
        prepared = await self._preparations.prepare(call.profile)
        if prepared.labels is None:
            raise ValueError(f"profile {call.profile.name!r} has no labels")
        turns = (Turn(Speaker.USER, call.text),)
        written = await self._scribe.write(call.profile, turns, call.system_prompt)
        return prepared.prior, prepared.labels, written

    def _answer(
        self, call: ClassifyCall, prior: Sequence[float], written: Written, scores: Scores
    ) -> sentiment_pb2.ClassifyResponse:
        profile = call.profile
        ranked = rank(scores.logs, prior, profile.temperature)
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
            truncated=written.was_cut,
            usage=usage_message(scores.usage),
        )


def usage_message(usage: Usage) -> usage_pb2.Usage:
    """Return the message for what a sequence cost."""
    return usage_pb2.Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
    )

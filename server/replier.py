"""Replies to a conversation: cuts its turns, writes the prompt, streams the engine's words.

Knows nothing of gRPC calls.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from typing_extensions import assert_never

from tidegate.v1 import chat_pb2

from .edge import refuse_long_prompt
from .engine.engine import Engine
from .engine.sequence import Delta, Ending, Finish, Prompt
from .judge import cut_for, usage_message
from .preparation import Preparations
from .prompts import PromptWriter, Speaker, Turn
from .refusal import RefusedError
from .validation import ChatCall


@dataclass(frozen=True, slots=True)
class _Written:
    prompt: Prompt
    was_cut: bool


class Replier:
    """Writes replies by the profiles of one engine."""

    def __init__(self, engine: Engine, writer: PromptWriter, preparations: Preparations) -> None:
        self._engine = engine
        self._writer = writer
        self._preparations = preparations

    async def reply(
        self, call: ChatCall, deadline_s: float | None
    ) -> AsyncGenerator[str | chat_pb2.ReplyEnd, None]:
        """Yield the reply's deltas, then its end. Close it to free the slot at once.

        Raises RefusedError and what the engine raises.
        """
        await self._preparations.prepare(call.profile)
        # Cutting and tokenising compute, so they are kept off the event loop.
        written = await asyncio.to_thread(self._write, call)
        tokens = len(written.prompt.tokens)
        if tokens >= self._engine.context_tokens:
            field = "text" if len(call.turns) == 1 else "turns"
            raise RefusedError(refuse_long_prompt(field, tokens, self._engine.context_tokens))
        events = self._engine.reply(written.prompt, call.sampling, deadline_s=deadline_s)
        async with aclosing(events):
            async for event in events:
                match event:
                    case Delta():
                        yield event.text
                    case Finish():
                        yield self._end(call, written, event)
                    case _:
                        assert_never(event)

    def _write(self, call: ChatCall) -> _Written:
        turns = []
        was_cut = False
        for turn in call.turns:
            content = turn.content
            if turn.speaker is Speaker.USER:
                kept = cut_for(call.profile, content)
                content, was_cut = kept.text, was_cut or kept.was_cut
            turns.append(Turn(turn.speaker, content))
        return _Written(self._writer.write(call.profile, turns, call.system_prompt), was_cut)

    def _end(self, call: ChatCall, written: _Written, finish: Finish) -> chat_pb2.ReplyEnd:
        match finish.ending:
            case Ending.STOP:
                reason = chat_pb2.FINISH_REASON_STOP
            case Ending.LENGTH:
                reason = chat_pb2.FINISH_REASON_LENGTH
            case _:
                assert_never(finish.ending)
        return chat_pb2.ReplyEnd(
            finish_reason=reason,
            usage=usage_message(finish.usage),
            profile=call.profile.name,
            profile_version=call.profile.version,
            model=self._engine.model_name,
            truncated=written.was_cut,
        )

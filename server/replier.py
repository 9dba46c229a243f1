"""Replies to a conversation: streams the engine's words, then how they ended.

Knows nothing of gRPC calls.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from typing_extensions import assert_never

from tidegate.server.engine.engine import Engine, Judged
from tidegate.server.engine.sequence import Delta, Ending, Finish
from tidegate.server.judge import usage_message
from tidegate.server.preparation import Preparations
from tidegate.server.scribe import Scribe, Written
from tidegate.server.validation import ChatCall
from tidegate.v1 import chat_pb2


class Replier:
    """Writes replies by the profiles of one engine."""

    def __init__(self, engine: Engine, scribe: Scribe, preparations: Preparations) -> None:
        self._engine = engine
        self._scribe = scribe
        self._preparations = preparations

    async def reply(
        self, call: ChatCall, deadline_s: float | None
    ) -> AsyncGenerator[str | chat_pb2.ReplyEnd, None]:
        """Yield the reply's deltas, then its end. Close it to free the slot at once.

        Raises RefusedError and what the engine raises.
        """
        await self._preparations.prepare(call.profile)
        written = await self._scribe.write(call.profile, call.turns, call.system_prompt)
        events = self._engine.reply(written.prompt, call.sampling, deadline_s=deadline_s)
        async with aclosing(self._speak(call, written, events)) as spoken:
            async for event in spoken:
                yield event

    async def reply_to_judged(
        self, call: ChatCall, judged: Judged, label: str
    ) -> AsyncGenerator[str | chat_pb2.ReplyEnd, None]:
        """Yield a reply as `reply` does, from what was read to find the last turn's `label`."""
        await self._preparations.prepare(call.profile)
        *before, last = call.turns
        turns = (*before, replace(last, label=label))
        written = await self._scribe.write(call.profile, turns, call.system_prompt)
        events = judged.reply(written.prompt, call.sampling)
        async with aclosing(self._speak(call, written, events)) as spoken:
            async for event in spoken:
                yield event

    async def _speak(
        self, call: ChatCall, written: Written, events: AsyncGenerator[Delta | Finish, None]
    ) -> AsyncGenerator[str | chat_pb2.ReplyEnd, None]:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Delta():
                        yield event.text
                    case Finish():
                        yield self._end(call, written, event)
                    case _:
                        assert_never(event)

    def _end(self, call: ChatCall, written: Written, finish: Finish) -> chat_pb2.ReplyEnd:
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

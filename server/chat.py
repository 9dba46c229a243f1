"""The Chat service: a reply at once, as it is written, or after the sentiment.

Knows nothing of how words or labels are found.
"""

from contextlib import aclosing

import grpc

from tidegate.server.decoding import decode
from tidegate.server.edge import Context, Edge, Handlers
from tidegate.server.judge import Judge
from tidegate.server.lane import Lane
from tidegate.server.profiles import ProfileStore
from tidegate.server.replier import Replier
from tidegate.server.validation import Validation
from tidegate.v1.chat_pb2 import (
    JudgeAndReplyRequest,
    JudgeAndReplyResponse,
    ReplyEnd,
    ReplyRequest,
    ReplyResponse,
    StreamReplyRequest,
    StreamReplyResponse,
)


class ChatService:
    """Answers the methods of tidegate.v1.Chat."""

    def __init__(
        self,
        edge: Edge,
        profiles: ProfileStore,
        validation: Validation,
        judge: Judge,
        replier: Replier,
    ) -> None:
        self._edge = edge
        self._profiles = profiles
        self._validation = validation
        self._judge = judge
        self._replier = replier

    def handlers(self) -> Handlers:
        """Return the handler of each method, by its path."""
        return {
            "/tidegate.v1.Chat/Reply": grpc.unary_unary_rpc_method_handler(
                self.reply,
                response_serializer=ReplyResponse.SerializeToString,
            ),
            "/tidegate.v1.Chat/StreamReply": grpc.unary_stream_rpc_method_handler(
                self.stream_reply,
                response_serializer=StreamReplyResponse.SerializeToString,
            ),
            "/tidegate.v1.Chat/JudgeAndReply": grpc.unary_stream_rpc_method_handler(
                self.judge_and_reply,
                response_serializer=JudgeAndReplyResponse.SerializeToString,
            ),
        }

    async def reply(self, data: bytes, context: Context) -> ReplyResponse:
        """Answer with the whole reply at once."""
        async with self._edge.call(Lane.CHAT, context) as arrival:
            self._profiles.refresh()
            call = self._validation.chat(decode(ReplyRequest, data), arrival.metadata)
            pieces: list[str] = []
            async with aclosing(self._replier.reply(call, arrival.deadline_s)) as events:
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        return _whole("".join(pieces), event)
                    pieces.append(event)
        raise AssertionError("a reply had no end")  # pragma: no cover

    async def stream_reply(self, data: bytes, context: Context) -> None:
        """Answer with the reply's pieces as they are written."""
        async with self._edge.call(Lane.CHAT, context) as arrival:
            self._profiles.refresh()
            call = self._validation.chat(decode(StreamReplyRequest, data), arrival.metadata)
            async with aclosing(self._replier.reply(call, arrival.deadline_s)) as events:
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        await context.write(StreamReplyResponse(end=event))
                    else:
                        await context.write(StreamReplyResponse(delta=event))

    async def judge_and_reply(self, data: bytes, context: Context) -> None:
        """Answer with the sentiment of the last turn, then with the reply's pieces."""
        async with self._edge.call(Lane.CHAT, context) as arrival:
            self._profiles.refresh()
            request = decode(JudgeAndReplyRequest, data)
            call = self._validation.chat(request, arrival.metadata)
            judgement = self._validation.judgement(request, call.turns)
            answer = await self._judge.judge(judgement, arrival.deadline_s)
            await context.write(JudgeAndReplyResponse(sentiment=answer))
            async with aclosing(self._replier.reply(call, arrival.deadline_s)) as events:
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        await context.write(JudgeAndReplyResponse(end=event))
                    else:
                        await context.write(JudgeAndReplyResponse(delta=event))


def _whole(text: str, end: ReplyEnd) -> ReplyResponse:
    return ReplyResponse(
        text=text,
        finish_reason=end.finish_reason,
        usage=end.usage,
        profile=end.profile,
        profile_version=end.profile_version,
        model=end.model,
        truncated=end.truncated,
    )

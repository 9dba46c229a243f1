"""The Chat service: a reply at once, as it is written, or after the sentiment.

Any of them is answered in short when the balancer asks for that. Knows nothing of how words, labels
or sentences are found.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import grpc

from tidegate.server.abridger import Abridged, Abridger
from tidegate.server.call_metadata import chat_lane
from tidegate.server.catalogue import Catalogue
from tidegate.server.decoding import decode
from tidegate.server.edge import Arrival, Context, Edge, Handlers
from tidegate.server.judge import Judge
from tidegate.server.lane import Lane
from tidegate.server.profiles import ProfileStore
from tidegate.server.replier import Replier
from tidegate.server.validation import ChatCall, ChatRequest, Validation
from tidegate.v1.chat_pb2 import (
    JudgeAndReplyRequest,
    JudgeAndReplyResponse,
    ReplyEnd,
    ReplyRequest,
    ReplyResponse,
    StreamReplyRequest,
    StreamReplyResponse,
)
from tidegate.v1.profile_pb2 import ListProfilesRequest, ListProfilesResponse
from tidegate.v1.sentiment_pb2 import ClassifyResponse


class ChatService:
    """Answers the methods of tidegate.v1.Chat."""

    def __init__(
        self,
        edge: Edge,
        profiles: ProfileStore,
        validation: Validation,
        judge: Judge,
        replier: Replier,
        abridger: Abridger,
        catalogue: Catalogue,
    ) -> None:
        self._edge = edge
        self._profiles = profiles
        self._validation = validation
        self._judge = judge
        self._replier = replier
        self._abridger = abridger
        self._catalogue = catalogue

    def handlers(self) -> Handlers:
        """Return the handler of each method, by its path."""
        return {
            "/tidegate.v1.Chat/ListProfiles": grpc.unary_unary_rpc_method_handler(
                self.list_profiles,
                response_serializer=ListProfilesResponse.SerializeToString,
            ),
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

    async def list_profiles(self, data: bytes, context: Context) -> ListProfilesResponse:
        """Tell which profiles a chat can be answered by."""
        async with self._edge.call(Lane.CHAT, context):
            decode(ListProfilesRequest, data)
            return self._catalogue.list("chat")
        raise AssertionError("a refused call was answered")  # pragma: no cover

    async def reply(self, data: bytes, context: Context) -> ReplyResponse:
        """Answer with the whole reply at once."""
        async with self._call(context) as arrival:
            request = decode(ReplyRequest, data)
            call = self._validation.chat(request, arrival.metadata)
            if arrival.lane is Lane.DEGRADED:
                short = await self._abridge(request, call, arrival)
                return _whole(short.sentence, short.end, short.sentiment)
            pieces: list[str] = []
            async with aclosing(self._replier.reply(call, arrival.deadline_s)) as events:
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        return _whole("".join(pieces), event, None)
                    pieces.append(event)
        raise AssertionError("a reply had no end")  # pragma: no cover

    async def stream_reply(self, data: bytes, context: Context) -> None:
        """Answer with the reply's pieces as they are written."""
        async with self._call(context) as arrival:
            request = decode(StreamReplyRequest, data)
            call = self._validation.chat(request, arrival.metadata)
            if arrival.lane is Lane.DEGRADED:
                short = await self._abridge(request, call, arrival)
                short.end.sentiment.CopyFrom(short.sentiment)
                await context.write(StreamReplyResponse(delta=short.sentence))
                await context.write(StreamReplyResponse(end=short.end))
                return
            async with aclosing(self._replier.reply(call, arrival.deadline_s)) as events:
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        await context.write(StreamReplyResponse(end=event))
                    else:
                        await context.write(StreamReplyResponse(delta=event))

    async def judge_and_reply(self, data: bytes, context: Context) -> None:
        """Answer with the sentiment of the last turn, then with the reply's pieces."""
        async with self._call(context) as arrival:
            request = decode(JudgeAndReplyRequest, data)
            call = self._validation.chat(request, arrival.metadata)
            if arrival.lane is Lane.DEGRADED:
                short = await self._abridge(request, call, arrival)
                await context.write(JudgeAndReplyResponse(sentiment=short.sentiment))
                await context.write(JudgeAndReplyResponse(delta=short.sentence))
                await context.write(JudgeAndReplyResponse(end=short.end))
                return
            judgement = self._validation.judgement(request, call.turns)
            async with (
                self._judge.judged(judgement, arrival.deadline_s) as (answer, judged),
                aclosing(self._replier.reply_to_judged(call, judged, answer.label)) as events,
            ):
                await context.write(JudgeAndReplyResponse(sentiment=answer))
                async for event in events:
                    if isinstance(event, ReplyEnd):
                        await context.write(JudgeAndReplyResponse(end=event))
                    else:
                        await context.write(JudgeAndReplyResponse(delta=event))

    @asynccontextmanager
    async def _call(self, context: Context) -> AsyncIterator[Arrival]:
        """Frame one call, full or short, with the profiles as they stand now."""
        lane = chat_lane(context.invocation_metadata() or ())
        async with self._edge.call(lane, context) as arrival:
            self._profiles.refresh()
            yield arrival

    async def _abridge(self, request: ChatRequest, call: ChatCall, arrival: Arrival) -> Abridged:
        judgement = self._validation.judgement(request, call.turns)
        return await self._abridger.abridge(call, judgement, arrival.deadline_s)


def _whole(text: str, end: ReplyEnd, sentiment: ClassifyResponse | None) -> ReplyResponse:
    return ReplyResponse(
        text=text,
        finish_reason=end.finish_reason,
        usage=end.usage,
        profile=end.profile,
        profile_version=end.profile_version,
        model=end.model,
        degraded=end.degraded,
        truncated=end.truncated,
        sentiment=sentiment,
    )

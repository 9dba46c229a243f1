"""Answers a chat in short: the sentiment of its last turn, and one sentence of that turn.

Nothing is decoded, so that it costs one forward pass over a short prompt: what is left to give when
there are more chats than slots. Knows nothing of gRPC calls, nor of when an answer is to be short.
"""

from dataclasses import dataclass

from tidegate.server.judge import Judge
from tidegate.server.scribe import Scribe
from tidegate.server.validation import ChatCall, ClassifyCall
from tidegate.v1 import chat_pb2, sentiment_pb2


@dataclass(frozen=True, slots=True)
class Abridged:
    """A short answer: what each method sends of it is up to the method."""

    sentiment: sentiment_pb2.ClassifyResponse
    sentence: str
    end: chat_pb2.ReplyEnd


class Abridger:
    """Abridges by the profiles of one engine."""

    def __init__(self, judge: Judge, scribe: Scribe) -> None:
        self._judge = judge
        self._scribe = scribe

    async def abridge(
        self, call: ChatCall, judgement: ClassifyCall, deadline_s: float | None
    ) -> Abridged:
        """Return the short answer to `call`. Raises RefusedError and what the engine raises."""
        sentiment = await self._judge.judge(judgement, deadline_s)
        sentence = await self._scribe.sum_up(call.turns[-1].content)
        # No finish reason: the model has not written.
        end = chat_pb2.ReplyEnd(
            usage=sentiment.usage,
            profile=call.profile.name,
            profile_version=call.profile.version,
            model=sentiment.model,
            degraded=True,
            truncated=sentiment.truncated,
        )
        return Abridged(sentiment, sentence, end)

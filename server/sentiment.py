"""The Sentiment service: one label for one text, alone or many over one stream.

Knows nothing of how a label is found.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc

from tidegate.server.catalogue import Catalogue
from tidegate.server.decoding import decode, find_string
from tidegate.server.edge import Arrival, Context, Edge, Handlers
from tidegate.server.judge import Judge
from tidegate.server.lane import Lane
from tidegate.server.profiles import ProfileStore
from tidegate.server.refusal import RefusedError, Violation, refuse_fields
from tidegate.server.validation import Validation, check_id
from tidegate.v1.profile_pb2 import ListProfilesRequest, ListProfilesResponse
from tidegate.v1.sentiment_pb2 import (
    ClassifyRequest,
    ClassifyResponse,
    ClassifyStreamRequest,
    ClassifyStreamResponse,
)

# Items of one stream that are in the engine at once: enough to fill a step with labels of
# usual length, few enough that a bulk doesn't keep single calls waiting.
ITEMS_AT_ONCE = 4
STREAMED_AT_ONCE = 4
"""Of all streams together: as many as go through a step. Single calls would wait behind more."""


class SentimentService:
    """Answers the methods of tidegate.v1.Sentiment."""

    def __init__(
        self,
        edge: Edge,
        profiles: ProfileStore,
        validation: Validation,
        judge: Judge,
        catalogue: Catalogue,
    ) -> None:
        self._edge = edge
        self._profiles = profiles
        self._validation = validation
        self._judge = judge
        self._catalogue = catalogue
        self._streamed = asyncio.Semaphore(STREAMED_AT_ONCE)

    def handlers(self) -> Handlers:
        """Return the handler of each method, by its path."""
        return {
            "/tidegate.v1.Sentiment/Classify": grpc.unary_unary_rpc_method_handler(
                self.classify,
                response_serializer=ClassifyResponse.SerializeToString,
            ),
            "/tidegate.v1.Sentiment/ClassifyStream": grpc.stream_stream_rpc_method_handler(
                self.classify_stream,
                response_serializer=ClassifyStreamResponse.SerializeToString,
            ),
            "/tidegate.v1.Sentiment/ListProfiles": grpc.unary_unary_rpc_method_handler(
                self.list_profiles,
                response_serializer=ListProfilesResponse.SerializeToString,
            ),
        }

    async def classify(self, data: bytes, context: Context) -> ClassifyResponse:
        """Answer one text."""
        async with self._edge.call(Lane.SENTIMENT, context) as arrival:
            return await self._answer(decode(ClassifyRequest, data), arrival)
        raise AssertionError("a refused call was answered")  # pragma: no cover

    async def list_profiles(self, data: bytes, context: Context) -> ListProfilesResponse:
        """Tell which profiles a text can be labelled by."""
        async with self._edge.call(Lane.SENTIMENT, context):
            decode(ListProfilesRequest, data)
            return self._catalogue.list("classify")
        raise AssertionError("a refused call was answered")  # pragma: no cover

    async def classify_stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Answer each item as soon as its label is known.

        Reads no further ahead than ITEMS_AT_ONCE items whose answers have not been taken, and takes no slot before the first.
        """
        requests = await _begun(requests)
        async with self._edge.call(Lane.SENTIMENT, context) as arrival:
            writing = asyncio.Lock()
            running: set[asyncio.Task[None]] = set()
            try:
                async for data in requests:
                    if len(running) >= ITEMS_AT_ONCE:
                        running = await _next_done(running)
                    item = self._answer_item(data, arrival, context, writing)
                    running.add(asyncio.create_task(item))
                while running:
                    running = await _next_done(running)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _answer(
        self, request: ClassifyRequest, arrival: Arrival, *, is_bulk: bool = False
    ) -> ClassifyResponse:
        self._profiles.refresh()
        call = self._validation.classify(request, arrival.metadata)
        return await self._judge.judge(call, arrival.deadline_s, is_bulk=is_bulk)

    async def _answer_item(
        self, data: bytes, arrival: Arrival, context: Context, writing: asyncio.Lock
    ) -> None:
        outcome = ClassifyStreamResponse(
            item_id=find_string(ClassifyStreamRequest, "item_id", data)
        )
        try:
            item = decode(ClassifyStreamRequest, data)
            wrong: list[Violation] = []
            check_id("item_id", item.item_id, wrong)
            if not item.HasField("request"):
                wrong.append(Violation("request", "is missing; a ClassifyRequest is required"))
            if wrong:
                raise RefusedError(refuse_fields(wrong))
            async with self._streamed:
                answer = await self._answer(item.request, arrival, is_bulk=True)
                outcome.answer.CopyFrom(answer)
        except TimeoutError:
            # The deadline is the stream's, not the item's.
            raise
        except Exception as error:
            outcome.error.CopyFrom(self._edge.explain(error).status)
        async with writing:
            await context.write(outcome)


async def _begun(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same messages, once there is a first one or will be none."""
    first = await anext(requests, None)

    async def messages() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
            async for message in requests:
                yield message

    return messages()


async def _next_done(running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait until an item is answered, raise what it raised, return those still running."""
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return pending

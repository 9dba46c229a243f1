"""A sequence in the engine, and the way back to the task that awaits it.

The engine's thread tells, the event loop listens. Knows nothing of models or scheduling.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tidegate.server.engine.sequence import (
    Delta,
    Ending,
    Finish,
    Scores,
    Sequence,
    Tokenizer,
    Write,
)
from tidegate.server.engine.text_stream import TextStream

Event = Scores | Delta | Finish | Exception | None


@dataclass(slots=True)
class Times:
    """When what happened to a call, by `time.monotonic`; None for what did not happen."""

    entered_s: float
    began_s: float | None = None
    """Its first step began: it has a slot."""
    scored_s: float | None = None
    """Its labels were scored."""
    first_token_s: float | None = None
    last_token_s: float | None = None

    def wrote(self, now: float) -> None:
        """A token of its reply was written."""
        if self.first_token_s is None:
            self.first_token_s = now
        self.last_token_s = now


class EngineCall:
    """One sequence on its way. Made on the event loop that will listen."""

    def __init__(self, sequence: Sequence, tokenizer: Tokenizer) -> None:
        self.sequence = sequence
        self.times = Times(time.monotonic())
        self.text = TextStream(tokenizer)
        # Why its reply ended, once it has.
        self.ending: Ending | None = None
        # Set by the loop when nobody listens any more, by the engine when all has been told.
        self.is_abandoned = False
        self.is_over = False
        self._tokenizer = tokenizer
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def aim_at(self, write: Write) -> None:
        """Begin the text of a reply."""
        self.sequence.aim = write
        self.text = TextStream(self._tokenizer, write.sampling.stop)

    def tell(self, event: Event) -> None:
        """Send an event to the listener; from any thread. None says that nothing follows."""
        # The loop may be gone when a process ends in the middle of a step.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[Scores | Delta | Finish]:
        """Yield what is told until nothing follows; raise what was told as an exception."""
        while (event := await self._events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

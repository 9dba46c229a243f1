"""The thread that owns the model, and its face for asyncio.

`step` is the engine in one breath: take in what came, let go of what ended, schedule, run,
apply. Callers await futures and queues and never compute; the thread computes and never awaits.
"""

import asyncio
import contextlib
import itertools
import queue
import random
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from tidegate.server.engine.batch import Batch, Logits, Model, NotFinite, Result, Token
from tidegate.server.engine.prefixes import Prefixes
from tidegate.server.engine.scheduler import Scheduler
from tidegate.server.engine.sequence import (
    Aim,
    Delta,
    Ending,
    EngineError,
    EngineLoad,
    EngineStoppedError,
    Finish,
    Keep,
    Label,
    Prompt,
    PromptTooLongError,
    Sampling,
    Scores,
    Tokenizer,
    Write,
)
from tidegate.server.engine.sequence import Sequence as Seq
from tidegate.server.engine.text_stream import TextStream

Event = Scores | Delta | Finish | Exception | None

# Failed steps in a row after which the engine takes itself out rather than answer wrongly.
_MAX_FAILURES = 2

log = structlog.get_logger("engine")


@dataclass(slots=True)
class _Call:
    """A sequence, and the way back to whoever awaits it."""

    sequence: Seq
    tell: Callable[[Event], None]
    text: TextStream | None = None
    is_abandoned: bool = False


@dataclass(slots=True)
class _Counters:
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    steps: int = 0
    computed_tokens: int = 0
    cached_tokens: int = 0
    failures_in_a_row: int = field(default=0)


class Engine:
    """One model answering many sequences, step by step.

    `start` and `stop` frame its life. `score` and `reply` may be called by any number of tasks
    of the event loop; cancelling such a task, or closing a reply's generator, frees the slot
    within one step.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        *,
        model_name: str,
        slots: int,
        reserved: int,
        context_tokens: int,
        budget_tokens: int = 128,
        prefix_tokens: int = 8192,
    ) -> None:
        self.tokenizer = tokenizer
        self.model_name = model_name
        self.context_tokens = context_tokens
        self._model = model
        self._prefixes = Prefixes(prefix_tokens)
        self._scheduler = Scheduler(slots, reserved, budget_tokens, self._prefixes)
        self._calls: dict[int, _Call] = {}
        self._ids = itertools.count()
        self._inbox: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._counters = _Counters()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"<Engine {self.model_name} {self._scheduler!r}>"

    def start(self) -> None:
        """Start the thread; calls may have been made before."""
        self._thread.start()

    async def stop(self) -> None:
        """End what runs with EngineStoppedError, then the thread, within a step."""
        self._is_stopping = True
        self._inbox.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def is_healthy(self) -> bool:
        """Return whether the engine answers: its thread runs and its steps don't fail."""
        return self._thread.is_alive() and self._counters.failures_in_a_row < _MAX_FAILURES

    def load(self) -> EngineLoad:
        """Return the counters as they stand between two steps, nearly."""
        scheduler, counters = self._scheduler, self._counters
        return EngineLoad(
            running=len(scheduler.running),
            waiting=scheduler.waiting + self._inbox.qsize(),
            slots=scheduler.slots,
            free_slots=scheduler.free_slots,
            finished=counters.finished,
            cancelled=counters.cancelled,
            failed=counters.failed,
            steps=counters.steps,
            computed_tokens=counters.computed_tokens,
            cached_tokens=counters.cached_tokens,
        )

    async def score(
        self, prompt: Prompt, labels: Sequence[int], *, deadline_s: float | None = None
    ) -> Scores:
        """Return the logits of `labels` as the token after the prompt: one forward pass.

        `deadline_s` is a time of `time.monotonic`. Raises TimeoutError when it passes,
        PromptTooLongError, EngineError, EngineStoppedError.
        """
        events = self._submit(prompt, Label(tuple(labels)), deadline_s)
        async for event in events:
            if isinstance(event, Scores):
                return event
        raise EngineStoppedError

    async def reply(
        self, prompt: Prompt, sampling: Sampling, *, deadline_s: float | None = None
    ) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the reply's deltas as they are written, then one Finish. Raises as `score` does."""
        # A seed is drawn here, so that the engine itself holds no randomness.
        seed = random.getrandbits(63) if sampling.seed is None else sampling.seed
        events = self._submit(prompt, Write(sampling, seed), deadline_s)
        try:
            async for event in events:
                if isinstance(event, Delta | Finish):
                    yield event
        finally:
            await events.aclose()

    async def remember(self, tokens: Sequence[int]) -> None:
        """Compute a beginning of prompts now and keep it; done at once when it is kept already."""
        if len(tokens) > 1 and tuple(tokens) not in self._prefixes:
            async for _ in self._submit(Prompt(tuple(tokens)), Keep(), None):
                pass

    async def _submit(
        self, prompt: Prompt, aim: Aim, deadline_s: float | None
    ) -> AsyncGenerator[Event, None]:
        if len(prompt.tokens) >= self.context_tokens:
            raise PromptTooLongError(len(prompt.tokens), self.context_tokens)
        if self._is_stopping or not self.is_healthy():
            raise EngineStoppedError
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def tell(event: Event) -> None:
            # The loop may be gone when a process ends in the middle of a step.
            if not loop.is_closed():
                loop.call_soon_threadsafe(events.put_nowait, event)

        sequence = Seq(next(self._ids), list(prompt.tokens), aim, deadline_s)
        call = _Call(sequence, tell)
        if isinstance(aim, Write):
            call.text = TextStream(self.tokenizer, aim.sampling.stop)
        self._inbox.put(call)
        try:
            while (event := await events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            call.is_abandoned = True
            self._inbox.put(None)
            raise

    # From here on: the engine's thread.

    def _run(self) -> None:
        while not self._is_stopping and self._counters.failures_in_a_row < _MAX_FAILURES:
            self.step(wait=not self._calls)
        for call in [*self._calls.values(), *self._arrived()]:
            call.tell(EngineStoppedError())

    def step(self, *, wait: bool) -> None:
        """Make one step; with nothing to do, `wait` until something comes."""
        self._take_in(wait=wait)
        self._let_go(time.monotonic())
        batch = self._scheduler.schedule()
        if not batch.rows:
            return
        sequences = self._scheduler.planned(batch)
        try:
            results = self._model.run(batch)
        except Exception:
            self._fail(sequences)
            return
        self._counters.failures_in_a_row = 0
        self._counters.steps += 1
        self._counters.computed_tokens += batch.size_tokens
        self._apply(batch, sequences, results)

    def _take_in(self, *, wait: bool) -> None:
        first = [self._inbox.get()] if wait else []
        for call in [*filter(None, first), *self._arrived()]:
            self._calls[call.sequence.id] = call
            self._scheduler.add(call.sequence)

    def _arrived(self) -> list[_Call]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                # None only wakes the thread, to look at what was abandoned.
                call = self._inbox.get_nowait()
                found += [call] if call else []
        return found

    def _let_go(self, now: float) -> None:
        for call in list(self._calls.values()):
            deadline_s = call.sequence.deadline_s
            if call.is_abandoned:
                self._counters.cancelled += 1
                self._end(call, None)
            elif deadline_s is not None and deadline_s <= now:
                self._counters.cancelled += 1
                self._end(call, TimeoutError("the call's deadline passed"))

    def _apply(self, batch: Batch, sequences: list[Seq], results: list[Result]) -> None:
        for row, sequence, result in zip(batch.rows, sequences, results, strict=True):
            call = self._calls[sequence.id]
            sequence.computed += len(row.tokens)
            if isinstance(result, Logits):
                self._finish(call, Scores(result.values, sequence.usage))
            elif isinstance(result, Token):
                self._write(call, result.id)
            elif isinstance(result, NotFinite):
                self._fail_one(call, "the logits are not finite")
            elif isinstance(sequence.aim, Keep) and not sequence.pending:
                self._keep(sequence)
                self._finish(call, None)

    def _write(self, call: _Call, token: int) -> None:
        sequence, text = call.sequence, call.text
        assert isinstance(sequence.aim, Write)  # noqa: S101 - only these rows bring tokens
        assert text is not None  # noqa: S101 - made together with the aim
        sequence.tokens.append(token)
        is_end = token in self._model.end_tokens
        piece = "" if is_end else text.push(token)
        is_full = (
            len(sequence.written) >= sequence.aim.sampling.max_tokens
            or len(sequence.tokens) >= self.context_tokens
        )
        is_stop = is_end or text.is_stopped
        if is_stop or is_full:
            piece += text.flush()
            is_stop = is_stop or text.is_stopped
        if piece:
            call.tell(Delta(piece))
        if is_stop or is_full:
            self._finish(call, Finish(Ending.STOP if is_stop else Ending.LENGTH, sequence.usage))

    def _keep(self, sequence: Seq) -> None:
        prefix, evicted = self._prefixes.keep(sequence.tokens)
        for old in evicted:
            self._model.forget(old.id)
        if prefix is not None and sequence.slot is not None:
            self._model.keep(sequence.slot, len(prefix.tokens), prefix.id)

    def _finish(self, call: _Call, event: Event) -> None:
        self._counters.finished += 1
        self._counters.cached_tokens += call.sequence.cached
        self._end(call, event)

    def _end(self, call: _Call, event: Event) -> None:
        """Free the slot, then tell: who is told finds it free."""
        del self._calls[call.sequence.id]
        self._scheduler.remove(call.sequence)
        if event is not None:
            call.tell(event)
        call.tell(None)

    def _fail_one(self, call: _Call, why: str) -> None:
        error_id = uuid.uuid4().hex[:12]
        self._counters.failed += 1
        log.error("sequence failed", error_id=error_id, why=why)
        self._end(call, EngineError(error_id))

    def _fail(self, sequences: list[Seq]) -> None:
        error_id = uuid.uuid4().hex[:12]
        self._counters.failures_in_a_row += 1
        self._counters.failed += len(sequences)
        log.exception("step failed", error_id=error_id, rows=len(sequences))
        for sequence in sequences:
            self._end(self._calls[sequence.id], EngineError(error_id))

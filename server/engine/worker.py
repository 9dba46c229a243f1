"""The thread that owns the model.

`step` is the engine in one breath: take in what came, let go of what ended, schedule, run,
apply. Whoever wants something of the thread leaves a command; it computes and never awaits.
"""

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from tidegate.server.engine.batch import Batch, Logits, Model, NotFinite, Result, Token
from tidegate.server.engine.call import EngineCall, Event
from tidegate.server.engine.prefixes import Prefix
from tidegate.server.engine.scheduler import Scheduler
from tidegate.server.engine.sequence import Delta as Piece
from tidegate.server.engine.sequence import (
    Ending,
    EngineError,
    EngineLoad,
    EngineStoppedError,
    Finish,
    Held,
    Judge,
    Keep,
    Scores,
    Sequence,
    Write,
)

Command = Callable[[], None]

# Failed steps in a row after which the engine takes itself out rather than answer wrongly.
_MAX_FAILURES = 2

log = structlog.get_logger("engine")


@dataclass(slots=True)
class _Counters:
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    steps: int = 0
    computed_tokens: int = 0
    cached_tokens: int = 0
    failures_in_a_row: int = 0


class Worker(threading.Thread):
    """Steps a scheduler's sequences through a model until it is stopped or has failed twice."""

    def __init__(self, model: Model, scheduler: Scheduler, context_tokens: int) -> None:
        super().__init__(name="engine", daemon=True)
        self.model = model
        self._scheduler = scheduler
        self._context_tokens = context_tokens
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._calls: dict[int, EngineCall] = {}
        self._counters = _Counters()
        self._is_stopping = False
        # Guards the end: a command is either obeyed or never left.
        self._ending = threading.Lock()
        self._has_ended = False

    # From any thread.

    def stop(self) -> None:
        """End what runs with EngineStoppedError, then the thread, within a step."""
        self._is_stopping = True
        self.wake()

    @property
    def is_open(self) -> bool:
        """Whether sequences are taken in."""
        return self.is_healthy and not self._is_stopping

    @property
    def is_healthy(self) -> bool:
        """Whether the thread runs and its steps don't fail."""
        return self.is_alive() and self._counters.failures_in_a_row < _MAX_FAILURES

    def wake(self) -> None:
        """Let the thread look at what was abandoned."""
        self._commands.put(lambda: None)

    def enter(self, call: EngineCall) -> None:
        """Take a call in at the next step; an ended engine says so to it."""
        with self._ending:
            if self._has_ended:
                call.tell(EngineStoppedError())
            else:
                self._commands.put(lambda: self._enter(call))

    def go_on(self, call: EngineCall, tokens: list[int], write: Write) -> None:
        """Let a held call go on as a reply to `tokens`."""
        self._commands.put(lambda: self._go_on(call, tokens, write))

    def load(self) -> EngineLoad:
        """Return the counters as they stand between two steps, nearly."""
        scheduler, counters = self._scheduler, self._counters
        return EngineLoad(
            running=len(scheduler.running),
            waiting=scheduler.waiting + self._commands.qsize(),
            slots=scheduler.slots.count,
            free_slots=scheduler.slots.free,
            finished=counters.finished,
            cancelled=counters.cancelled,
            failed=counters.failed,
            steps=counters.steps,
            computed_tokens=counters.computed_tokens,
            cached_tokens=counters.cached_tokens,
        )

    # From here on: the thread itself.

    def run(self) -> None:
        """Step until the end."""
        while not self._is_stopping and self._counters.failures_in_a_row < _MAX_FAILURES:
            self.step()
        with self._ending:
            self._has_ended = True
            self._obey()
        for call in list(self._calls.values()):
            self._end(call, EngineStoppedError())

    def step(self) -> None:
        """Make one step; wait for a command when there is nothing to do."""
        self._obey()
        self._let_go(time.monotonic())
        batch = self._scheduler.schedule()
        if not batch.rows:
            self._commands.get()()
            return
        sequences = self._scheduler.planned(batch)
        began_s = time.monotonic()
        for sequence in sequences:
            times = self._calls[sequence.id].times
            if times.began_s is None:
                times.began_s = began_s
        try:
            results = self.model.run(batch)
        except Exception:
            self._fail(batch)
            return
        self._scheduler.pace.learn(batch.size_tokens, time.monotonic() - began_s)
        self._counters.failures_in_a_row = 0
        self._counters.steps += 1
        self._counters.computed_tokens += batch.size_tokens
        self._apply(batch, sequences, results)

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._commands.get_nowait()()

    def _enter(self, call: EngineCall) -> None:
        self._calls[call.sequence.id] = call
        if isinstance(call.sequence.aim, Keep) and self._restore(call.sequence):
            self._counters.finished += 1
            self._tell_end(call, None)
        else:
            self._scheduler.add(call.sequence)

    def _go_on(self, call: EngineCall, tokens: list[int], write: Write) -> None:
        if not call.is_over:
            self._counters.cached_tokens += call.sequence.cached
            self._scheduler.go_on(call.sequence, tokens)
            call.aim_at(write)

    def _let_go(self, now: float) -> None:
        for call in list(self._calls.values()):
            deadline_s = call.sequence.deadline_s
            if call.is_abandoned:
                self._counters.cancelled += 1
                self._end(call, None)
            elif deadline_s is not None and deadline_s <= now:
                self._counters.cancelled += 1
                self._end(call, TimeoutError("the call's deadline passed"))

    def _apply(self, batch: Batch, sequences: list[Sequence], results: list[Result]) -> None:
        for row, sequence, result in zip(batch.rows, sequences, results, strict=True):
            call = self._calls[sequence.id]
            sequence.computed += len(row.tokens)
            if isinstance(result, Logits):
                self._score(call, result)
            elif isinstance(result, Token):
                self._write(call, result.id)
            elif isinstance(result, NotFinite):
                self._fail_one(call, "the logits are not finite")
            elif isinstance(sequence.aim, Keep) and not sequence.pending:
                self._keep(sequence)
                self._finish(call, None)

    def _score(self, call: EngineCall, logits: Logits) -> None:
        sequence, walk = call.sequence, call.sequence.walk
        if walk is None:
            raise ValueError(f"sequence {sequence.id} has no labels")
        walk.take(logits.values)
        if walk.path is not None:
            sequence.ask(walk.path)
            return
        call.times.scored_s = time.monotonic()
        scores = Scores(walk.scores(), sequence.usage)
        if isinstance(sequence.aim, Judge):
            sequence.aim = Held()
            call.tell(scores)
        else:
            self._finish(call, scores)

    def _write(self, call: EngineCall, token: int) -> None:
        sequence, text = call.sequence, call.text
        call.times.wrote(time.monotonic())
        sequence.tokens.append(token)
        is_end = token in self.model.end_tokens
        piece = "" if is_end else text.push(token)
        is_stop = is_end or text.is_stopped
        is_full = not sequence.may_write_more(self._context_tokens)
        if is_stop or is_full:
            piece += text.flush()
            is_stop = is_stop or text.is_stopped
        if piece:
            call.tell(Piece(piece))
        if is_stop or is_full:
            call.ending = Ending.STOP if is_stop else Ending.LENGTH
            self._finish(call, Finish(call.ending, sequence.usage))

    def _keep(self, sequence: Sequence) -> None:
        prefix = self._make_room(sequence)
        if prefix is not None and sequence.slot is not None:
            self.model.keep(sequence.slot, prefix.tokens, prefix.id)

    def _restore(self, sequence: Sequence) -> bool:
        """Return whether an earlier run has left what this sequence would compute to keep."""
        prefix = self._make_room(sequence)
        if prefix is None:
            return False
        if not self.model.restore(prefix.tokens, prefix.id):
            self._scheduler.prefixes.drop(prefix)
            return False
        return True

    def _make_room(self, sequence: Sequence) -> Prefix | None:
        prefix, evicted = self._scheduler.prefixes.keep(sequence.tokens)
        for old in evicted:
            self.model.forget(old.id)
        return prefix

    def _finish(self, call: EngineCall, event: Event) -> None:
        self._counters.finished += 1
        self._counters.cached_tokens += call.sequence.cached
        self._end(call, event)

    def _end(self, call: EngineCall, event: Event) -> None:
        """Free the slot, then tell: who is told finds it free."""
        self._scheduler.remove(call.sequence)
        self._tell_end(call, event)

    def _tell_end(self, call: EngineCall, event: Event) -> None:
        del self._calls[call.sequence.id]
        call.is_over = True
        if event is not None:
            call.tell(event)
        call.tell(None)

    def _fail_one(self, call: EngineCall, why: str) -> None:
        error_id = uuid.uuid4().hex[:12]
        self._counters.failed += 1
        log.error("sequence failed", error_id=error_id, why=why)
        self._end_failed(call, error_id)

    def _fail(self, batch: Batch) -> None:
        error_id = uuid.uuid4().hex[:12]
        slots = {row.slot for row in batch.rows} | {recall.slot for recall in batch.recalls}
        sequences = [one for one in self._scheduler.running if one.slot in slots]
        self._counters.failures_in_a_row += 1
        self._counters.failed += len(sequences)
        log.exception("step failed", error_id=error_id, rows=len(sequences))
        for sequence in sequences:
            self._end_failed(self._calls[sequence.id], error_id)

    def _end_failed(self, call: EngineCall, error_id: str) -> None:
        """Free the slot, whose keys and values nobody is to go on from, then tell."""
        self._scheduler.discard(call.sequence)
        self._tell_end(call, EngineError(error_id))

"""The engine as asyncio sees it: ask for scores, for a reply, or for both from one prompt.

Callers await events and never compute; the worker's thread computes and never awaits.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import structlog

from tidegate.server.engine.batch import Model
from tidegate.server.engine.call import EngineCall, Times
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.pace import Pace
from tidegate.server.engine.prefixes import Prefixes
from tidegate.server.engine.scheduler import Scheduler
from tidegate.server.engine.sequence import (
    Aim,
    Delta,
    Ending,
    EngineLoad,
    EngineStoppedError,
    Finish,
    Judge,
    Keep,
    Label,
    Prompt,
    PromptTooLongError,
    Sampling,
    Scores,
    Tokenizer,
    Usage,
    Write,
)
from tidegate.server.engine.sequence import Sequence as Seq
from tidegate.server.engine.slots import Slots
from tidegate.server.engine.worker import Worker

log = structlog.get_logger()

Listener = Callable[[Times, Usage, Ending | None], None]


class Judged:
    """A judged prompt whose slot waits for a reply."""

    def __init__(self, scores: Scores, engine: "Engine", call: EngineCall) -> None:
        self.scores = scores
        self._engine = engine
        self._call = call

    def reply(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta | Finish, None]:
        """Yield a reply to `prompt`; what it has in common with the judged one isn't computed again.

        At most once. The usage counts the common tokens as cached.
        """
        return self._engine.go_on(self._call, prompt, sampling)


class Engine:
    """One model answering many sequences, step by step.

    `start` and `stop` frame its life. `score`, `reply` and `judge` may be called by any number
    of tasks of the event loop; cancelling such a task, or closing a reply's generator, frees
    the slot within one step. `deadline_s` is a time of `time.monotonic`. They raise
    TimeoutError when it passes, PromptTooLongError, EngineError and EngineStoppedError.
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
        prefix_tokens: int = 8192,
        step_s: float = 0.15,
        pack: Callable[[], Iterator[None]] = lambda: iter(()),
        fingerprint: str = "",
    ) -> None:
        self.tokenizer = tokenizer
        self.model_name = model_name
        self.context_tokens = context_tokens
        # Engines with the same one say the same of the same token ids; empty when that is not known.
        self.fingerprint = fingerprint
        self._prefixes = Prefixes(prefix_tokens)
        self._scheduler = Scheduler(Slots(slots, reserved), self._prefixes, Pace(step_s))
        self._worker = Worker(model, self._scheduler, context_tokens)
        self._ids = itertools.count()
        self._listener: Listener = _heard_by_nobody
        self._pack = pack

    def __repr__(self) -> str:
        return f"<Engine {self.model_name} {self._scheduler!r}>"

    def start(self) -> None:
        """Start the thread; from then on calls are taken."""
        self._worker.start()

    async def stop(self) -> None:
        """End what runs with EngineStoppedError, then the thread, within a step."""
        self._worker.stop()
        if self._worker.is_alive():
            await asyncio.to_thread(self._worker.join)

    async def pack(self) -> None:
        """Make the steps faster, once, while they go on; given up within a second when stopped.

        For when the first answers are out: a start doesn't wait for it.
        """
        await asyncio.to_thread(self._pack_all)

    def tell(self, listener: Listener) -> None:
        """Tell `listener` of each call that is over, in the task that made it: times, cost, why its reply ended.

        A call without a reply, and one that was given up, have no such ending.
        """
        self._listener = listener

    def is_healthy(self) -> bool:
        """Return whether the engine answers: its thread runs and its steps don't fail."""
        return self._worker.is_healthy

    def load(self) -> EngineLoad:
        """Return the counters as they stand between two steps, nearly."""
        return self._worker.load()

    async def score(
        self,
        prompt: Prompt,
        labels: LabelTree,
        *,
        deadline_s: float | None = None,
        is_bulk: bool = False,
    ) -> Scores:
        """Return how likely each of `labels` is after the prompt.

        One forward pass, and a short one more for each beginning that labels share. `is_bulk`: one of many, which lets those
        pass that are asked for alone.
        """
        async with self._entered(prompt, Label(labels), deadline_s, is_bulk=is_bulk) as call:
            return await _scores(call)

    @asynccontextmanager
    async def judge(
        self, prompt: Prompt, labels: LabelTree, *, deadline_s: float | None = None
    ) -> AsyncIterator[Judged]:
        """Score `labels` as `score` does, and keep the slot for a reply until the block is left."""
        async with self._entered(prompt, Judge(labels), deadline_s) as call:
            yield Judged(await _scores(call), self, call)

    async def reply(
        self, prompt: Prompt, sampling: Sampling, *, deadline_s: float | None = None
    ) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the reply's deltas as they are written, then one Finish."""
        async with self._entered(prompt, _write(sampling), deadline_s) as call:
            async for event in call.events():
                if isinstance(event, Delta | Finish):
                    yield event

    async def go_on(
        self, call: EngineCall, prompt: Prompt, sampling: Sampling
    ) -> AsyncGenerator[Delta | Finish, None]:
        """Yield a reply in the slot of a judged call; see `Judged.reply`."""
        self._require_room(prompt)
        self._worker.go_on(call, list(prompt.tokens), _write(sampling))
        async for event in call.events():
            if isinstance(event, Delta | Finish):
                yield event

    async def remember(self, tokens: Sequence[int]) -> None:
        """Keep a beginning of prompts; computed now, unless it is kept or an earlier run has left it."""
        if len(tokens) > 1 and tuple(tokens) not in self._prefixes:
            async with self._entered(Prompt(tuple(tokens)), Keep(), None) as call:
                async for _ in call.events():
                    pass

    def _pack_all(self) -> None:
        began_s = time.monotonic()
        try:
            for _ in self._pack():
                if not self._worker.is_open:
                    return
        except Exception:
            log.exception("packing failed, the steps stay as they are")
        else:
            log.info("packed", seconds=round(time.monotonic() - began_s, 1))

    @asynccontextmanager
    async def _entered(
        self, prompt: Prompt, aim: Aim, deadline_s: float | None, *, is_bulk: bool = False
    ) -> AsyncIterator[EngineCall]:
        self._require_room(prompt, aim.tree.depth if isinstance(aim, Label | Judge) else 0)
        if not self._worker.is_open:
            raise EngineStoppedError
        sequence = Seq(next(self._ids), list(prompt.tokens), aim, deadline_s, is_bulk)
        call = EngineCall(sequence, self.tokenizer)
        if isinstance(aim, Write):
            call.aim_at(aim)
        self._worker.enter(call)
        try:
            yield call
        finally:
            if not call.is_over:
                call.is_abandoned = True
                self._worker.wake()
            self._listener(call.times, call.sequence.usage, call.ending)

    def _require_room(self, prompt: Prompt, beyond: int = 0) -> None:
        if len(prompt.tokens) + beyond >= self.context_tokens:
            raise PromptTooLongError(len(prompt.tokens), self.context_tokens)


def _heard_by_nobody(times: Times, usage: Usage, ending: Ending | None) -> None:
    pass


def _write(sampling: Sampling) -> Write:
    # A seed is drawn here, so that the engine itself holds no randomness.
    seed = random.getrandbits(63) if sampling.seed is None else sampling.seed
    return Write(sampling, seed)


async def _scores(call: EngineCall) -> Scores:
    async for event in call.events():
        if isinstance(event, Scores):
            return event
    raise EngineStoppedError

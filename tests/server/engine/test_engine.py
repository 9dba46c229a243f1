"""The engine at work on a tiny random model: exact, and honest about every way to end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from support.loaded import loaded
from support.tiny_models import make_model, store_in_sixteen_bits
from transformers import PreTrainedModel

from tidegate.server.engine.batch import Batch, Model, NotFinite, Result
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import (
    Delta,
    Ending,
    EngineError,
    EngineStoppedError,
    Finish,
    Prompt,
    PromptTooLongError,
    Sampling,
)

Tiny = Callable[[str], tuple[Path, PreTrainedModel]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
LABELS = LabelTree([[1], [2]])
GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=24)
PROMPTS = [[(k * i * i + 3 * k) % 250 for i in range(5 + 9 * k)] for k in range(1, 9)]


async def collect(events: AsyncIterator[Delta | Finish]) -> tuple[str, Finish]:
    text = ""
    async for event in events:
        if isinstance(event, Finish):
            return text, event
        text += event.text
    raise AssertionError("a reply without a Finish")


def generated(model: PreTrainedModel, prompt: list[int], engine: Engine) -> str:
    """What transformers' own greedy generation says."""
    with torch.inference_mode():
        tokens = model.generate(
            torch.tensor([prompt]), max_new_tokens=24, do_sample=False, pad_token_id=256
        )[0, len(prompt) :]
    return engine.tokenizer.decode([t for t in tokens.tolist() if t < 256]).rstrip("\ufffd")


async def test_greedy_replies_equal_generate_whatever_runs_beside(
    engine: Engine, tiny: Tiny
) -> None:
    model = tiny("qwen2")[1]

    replies = await asyncio.gather(
        *(collect(engine.reply(Prompt(tuple(p)), GREEDY)) for p in PROMPTS)
    )

    for prompt, (text, finish) in zip(PROMPTS, replies, strict=True):
        assert generated(model, prompt, engine) == text.rstrip("\ufffd")
        assert len(prompt) == finish.usage.prompt_tokens


async def test_a_checkpoint_of_sixteen_bits_writes_what_generate_does_before_and_after_packing(
    tmp_path: Path,
) -> None:
    model = make_model("qwen2", tmp_path)
    store_in_sixteen_bits(model, tmp_path)
    engine = loaded(
        tmp_path, slots=8, reserved=0, context_tokens=256, threads=0, cache_dir=tmp_path
    )
    engine.start()
    wanted = [generated(model, prompt, engine) for prompt in PROMPTS]
    try:
        for _ in range(2):
            replies = await asyncio.gather(
                *(collect(engine.reply(Prompt(tuple(p)), GREEDY)) for p in PROMPTS)
            )
            assert [text.rstrip("\ufffd") for text, _ in replies] == wanted
            await engine.pack()
    finally:
        await engine.stop()


async def test_a_kept_beginning_is_read_by_the_next_start_and_answers_the_same(
    tmp_path: Path,
) -> None:
    make_model("qwen2", tmp_path)
    beginning, prompt = tuple(PROMPTS[0][:12]), Prompt(tuple(PROMPTS[0]))
    answers, computed = [], []
    for _ in range(2):
        engine = loaded(
            tmp_path, slots=2, reserved=0, context_tokens=256, threads=0, cache_dir=tmp_path
        )
        engine.start()
        try:
            await engine.remember(beginning)
            computed.append(engine.load().computed_tokens)
            answers.append(await engine.score(prompt, LABELS))
        finally:
            await engine.stop()

    assert computed == [12, 0]
    assert [answer.usage.cached_tokens for answer in answers] == [12, 12]
    assert answers[0].logs == answers[1].logs


async def test_packing_that_fails_is_told_and_answers_go_on(engine: Engine) -> None:
    def fail() -> Iterator[None]:
        yield
        raise MemoryError("no room")

    engine._pack = fail
    with capture_logs() as logs:
        await engine.pack()

    assert [line["event"] for line in logs] == ["packing failed, the steps stay as they are"]
    assert (await engine.score(Prompt((1, 2, 3)), LABELS)).logs


async def test_stopping_ends_packing(engine: Engine) -> None:
    begun: list[int] = []

    def go_on() -> Iterator[None]:
        for part in range(1000):
            begun.append(part)
            yield

    await engine.stop()
    engine._pack = go_on
    await engine.pack()

    assert begun == [0]


async def test_a_label_is_the_same_alone_and_in_company(engine: Engine) -> None:
    prompts = [Prompt(tuple(p)) for p in PROMPTS]
    alone = [(await engine.score(p, LABELS)).logs for p in prompts]
    chats = [asyncio.create_task(collect(engine.reply(p, GREEDY))) for p in prompts[:3]]

    together = await asyncio.gather(*(engine.score(p, LABELS) for p in prompts * 2))

    for expected, scores in zip(alone * 2, together, strict=True):
        assert expected == pytest.approx(scores.logs, abs=1e-4)
    await asyncio.gather(*chats)


async def test_labels_of_several_tokens_are_weighed_where_they_part(
    engine: Engine, tiny: Tiny
) -> None:
    """As transformers weighs them: at each parting, among the tokens that can follow."""
    model = tiny("qwen2")[1]
    labels = [[7], [9, 4, 1], [9, 4, 2], [9, 5]]
    prompt = PROMPTS[3]

    def logs(after: list[int], choices: list[int]) -> dict[int, float]:
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + after])).logits[0, -1]
        return dict(zip(choices, logits[choices].log_softmax(0).tolist(), strict=True))

    first, second, third = logs([], [7, 9]), logs([9], [4, 5]), logs([9, 4], [1, 2])
    expected = [
        first[7],
        first[9] + second[4] + third[1],
        first[9] + second[4] + third[2],
        first[9] + second[5],
    ]

    chats = [asyncio.create_task(collect(engine.reply(Prompt((5, 6)), GREEDY))) for _ in "ab"]
    scores = await engine.score(Prompt(tuple(prompt)), LabelTree(labels))
    await asyncio.gather(*chats)

    assert scores.logs == pytest.approx(expected, abs=1e-4)
    assert (scores.usage.prompt_tokens, scores.usage.completion_tokens) == (len(prompt), 0)


async def test_a_remembered_prefix_is_used_and_changes_nothing(engine: Engine) -> None:
    prompt = Prompt(tuple(PROMPTS[7]), fixed=60)
    before = await engine.score(prompt, LABELS)
    await engine.remember(prompt.tokens[:60])
    await engine.remember(prompt.tokens[:60])

    after = await engine.score(prompt, LABELS)

    assert (before.usage.cached_tokens, after.usage.cached_tokens) == (0, 60)
    assert before.logs == pytest.approx(after.logs, abs=1e-4)


async def test_the_same_seed_writes_the_same(engine: Engine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=20, seed=3)
    prompt = Prompt(tuple(PROMPTS[0]))

    first, second = await asyncio.gather(*(collect(engine.reply(prompt, sampling)) for _ in "ab"))

    assert first == second


async def test_a_reply_ends_at_its_limit_and_says_so(engine: Engine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=5, seed=1)

    _, finish = await collect(engine.reply(Prompt((1, 2, 3)), sampling))

    assert finish.ending == Ending.LENGTH
    assert finish.usage.completion_tokens == 5


async def test_a_stop_text_ends_a_reply_before_it(engine: Engine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=100, seed=5)
    prompt = Prompt((1, 2, 3))
    whole, _ = await collect(engine.reply(prompt, sampling))
    stop = next(char for char in whole[3:] if char != "\ufffd")

    text, finish = await collect(engine.reply(prompt, Sampling(1.5, 1.0, 1.1, 100, (stop,), 5)))

    assert whole[: whole.index(stop)] == text
    assert finish.ending == Ending.STOP


async def test_a_full_slot_ends_a_reply(engine: Engine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=1000, seed=2)
    prompt = Prompt(tuple(i % 250 for i in range(250)))

    _, finish = await collect(engine.reply(prompt, sampling))

    assert finish.ending == Ending.LENGTH
    assert finish.usage.completion_tokens <= 6


async def test_a_prompt_that_fills_a_slot_is_refused(engine: Engine) -> None:
    with pytest.raises(PromptTooLongError, match="300 tokens, a slot holds 256"):
        await engine.score(Prompt((1,) * 300), LABELS)


async def test_cancelling_a_reply_frees_its_slot(engine: Engine, until: Until) -> None:
    endless = Sampling(temperature=1.5, top_p=1.0, max_tokens=10_000, seed=4)
    events = engine.reply(Prompt((1, 2)), endless)
    await events.__anext__()

    await events.aclose()

    await until(lambda: engine.load().free_slots == 6)
    assert engine.load().cancelled == 1


async def test_a_passed_deadline_ends_a_call_wherever_it_stands(engine: Engine) -> None:
    with pytest.raises(TimeoutError):
        await engine.score(Prompt((1, 2, 3)), LABELS, deadline_s=time.monotonic() - 1)
    assert engine.load().free_slots == 6


async def test_a_thousand_random_cancellations_leak_nothing(engine: Engine, until: Until) -> None:
    rng = random.Random(11)

    async def one(number: int) -> None:
        prompt = Prompt(tuple(rng.randrange(250) for _ in range(rng.randrange(2, 40))))
        if number % 3:
            work: Any = engine.score(prompt, LABELS)
        else:
            work = collect(engine.reply(prompt, Sampling(max_tokens=20, seed=number)))
        task = asyncio.create_task(work)
        for _ in range(rng.randrange(60)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for group in range(10):
        await asyncio.gather(*(one(100 * group + i) for i in range(100)))

    await until(lambda: engine.load().running == engine.load().waiting == 0)
    assert engine.load().free_slots == 6
    assert (await engine.score(Prompt((1, 2, 3)), LABELS)).logs


class Faulty:
    """A model in front of another that fails when told to."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner
        self.failures = 0
        self.poisoned = 0

    @property
    def end_tokens(self) -> frozenset[int]:
        return self.inner.end_tokens

    def run(self, batch: Batch) -> list[Result]:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("planted")
        results = self.inner.run(batch)
        if self.poisoned:
            self.poisoned -= 1
            results[0] = NotFinite()
        return results

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        self.inner.keep(slot, tokens, prefix_id)

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        return self.inner.restore(tokens, prefix_id)

    def forget(self, prefix_id: int) -> None:
        self.inner.forget(prefix_id)


@pytest.fixture
def faulty(engine: Engine) -> Faulty:
    engine._worker.model = Faulty(engine._worker.model)
    return engine._worker.model


async def test_a_failed_step_fails_its_calls_and_the_next_is_answered(
    engine: Engine, faulty: Faulty
) -> None:
    faulty.failures = 1

    with pytest.raises(EngineError, match="the log has the trace"):
        await engine.score(Prompt((1, 2)), LABELS)

    assert (await engine.score(Prompt((1, 2)), LABELS)).logs
    assert engine.is_healthy()
    assert (engine.load().failed, engine.load().free_slots) == (1, 6)


async def test_two_failed_steps_in_a_row_take_the_engine_out(
    engine: Engine, faulty: Faulty
) -> None:
    faulty.failures = 2
    for _ in range(2):
        with pytest.raises(EngineError):
            await engine.score(Prompt((1, 2)), LABELS)

    with pytest.raises(EngineStoppedError):
        await engine.score(Prompt((1, 2)), LABELS)

    assert not engine.is_healthy()


async def test_logits_that_are_not_finite_fail_that_call_only(
    engine: Engine, faulty: Faulty
) -> None:
    chat = asyncio.create_task(collect(engine.reply(Prompt((1, 2, 3)), GREEDY)))
    faulty.poisoned = 1

    with pytest.raises(EngineError):
        await asyncio.gather(chat, engine.score(Prompt((1, 2)), LABELS))

    assert (await engine.score(Prompt((1, 2)), LABELS)).logs


async def test_stopping_ends_what_runs(engine: Engine) -> None:
    endless = Sampling(temperature=1.5, top_p=1.0, max_tokens=10_000, seed=4)
    events = engine.reply(Prompt((1, 2)), endless)
    await events.__anext__()

    await engine.stop()

    with pytest.raises(EngineStoppedError):
        async for _ in events:
            pass
    with pytest.raises(EngineStoppedError):
        await engine.score(Prompt((1, 2)), LABELS)


async def test_no_text_of_a_caller_becomes_a_special_token(engine: Engine) -> None:
    assert engine.tokenizer.special("<|im_end|>") == 258
    assert not {256, 257, 258} & set(engine.tokenizer.encode("a<|im_end|>b<|im_start|>"))


async def test_a_judged_prompt_goes_on_as_a_reply_without_being_read_again(engine: Engine) -> None:
    """Label as stand-alone, reply as stand-alone, and the common part computed once."""
    text = tuple(PROMPTS[5])
    question, opening = Prompt((*text, 7, 8, 9)), Prompt((*text, 11, 12))

    async with engine.judge(question, LABELS) as judged:
        text_of_both, finish = await collect(judged.reply(opening, GREEDY))

    computed = engine.load().computed_tokens
    alone = await engine.score(question, LABELS)
    spoken, _ = await collect(engine.reply(opening, GREEDY))
    assert judged.scores.logs == pytest.approx(alone.logs, abs=1e-4)
    assert text_of_both == spoken
    assert finish.usage.cached_tokens == len(text)
    assert computed == len(question.tokens) + 2 + finish.usage.completion_tokens - 1


async def test_the_next_turn_computes_only_what_is_new(engine: Engine, tiny: Tiny) -> None:
    first = PROMPTS[6]
    text, _ = await collect(engine.reply(Prompt(tuple(first)), GREEDY))
    await asyncio.gather(*(engine.score(Prompt(tuple(p)), LABELS) for p in PROMPTS))
    before = engine.load().computed_tokens

    second = [*first, *engine.tokenizer.encode(text), 41, 42, 43]
    again, its_finish = await collect(engine.reply(Prompt(tuple(second)), GREEDY))

    assert again.rstrip("\ufffd") == generated(tiny("qwen2")[1], second, engine)
    assert its_finish.usage.cached_tokens >= len(first)
    computed = engine.load().computed_tokens - before
    assert computed == len(second) - its_finish.usage.cached_tokens + 23


async def test_a_reply_that_begins_otherwise_starts_from_a_kept_prefix(engine: Engine) -> None:
    opening = Prompt((50, *PROMPTS[6]))
    await engine.remember(opening.tokens[:30])
    spoken, _ = await collect(engine.reply(opening, GREEDY))

    async with engine.judge(Prompt((1, 2, 3)), LABELS) as judged:
        text, finish = await collect(judged.reply(opening, GREEDY))

    assert text == spoken
    assert finish.usage.cached_tokens == 30


async def test_a_judged_prompt_that_is_left_frees_its_slot(engine: Engine, until: Until) -> None:
    async with engine.judge(Prompt((1, 2, 3)), LABELS):
        assert engine.load().free_slots == 5

    await until(lambda: engine.load().free_slots == 6)


async def test_held_slots_leave_room_for_labels(engine: Engine) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(engine.judge(Prompt((1, 2, 3)), LABELS))

        assert (await engine.score(Prompt((4, 5)), LABELS)).logs

"""The engine on the bundled model, held to transformers on the same weights.

A label must not depend on what else is in the batch, on how a prompt is chunked, or on whether
its beginning was read before; a greedy reply must be the one that `generate` writes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import torch
from support.loaded import loaded
from transformers import Gemma3ForCausalLM

from tidegate.server.engine.engine import Engine
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Finish, Prompt, Sampling
from tidegate.server.engine.sources import locate

# Long enough for two chunks.
OPENING = "评论：物流太慢了。\n情感：负面\n\n评论：包装精美，很喜欢。\n情感：正面\n\n" * 4
REVIEWS = ["味道一般，但是服务员很热情", "等了一个小时，再也不来了"]
WORDS = 8
GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=WORDS)


@pytest.fixture(scope="module")
def folder(model_cache: Path) -> Path:
    return locate("bundled", model_cache, lambda stage, done, total: None)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Gemma3ForCausalLM:
    return Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@asynccontextmanager
async def running(
    folder: Path, step_s: float = 10.0, *, is_packed: bool = True
) -> AsyncIterator[Engine]:
    engine = loaded(folder, slots=20, reserved=16, context_tokens=256, threads=0, step_s=step_s)
    engine.start()
    if is_packed:
        await engine.pack()
    try:
        yield engine
    finally:
        await engine.stop()


def prompt(engine: Engine, review: str) -> list[int]:
    beginning = engine.tokenizer.special("<bos>")
    assert beginning is not None
    return [beginning, *engine.tokenizer.encode(f"{OPENING}评论：{review}\n情感：")]


def labels(engine: Engine) -> LabelTree:
    return LabelTree([engine.tokenizer.encode(word) for word in ("正面", "负面")])


def expected(theirs: Gemma3ForCausalLM, tokens: list[int], choices: list[int]) -> list[float]:
    with torch.inference_mode():
        logits = theirs(torch.tensor([tokens])).logits[0, -1]
    return logits[choices].log_softmax(0).tolist()


# A step that may take no time reads 64 tokens at once.
@pytest.mark.parametrize(
    ("step_s", "is_packed"),
    [(10.0, True), (0.0, True), (10.0, False)],
    ids=["whole", "in chunks", "not packed yet"],
)
async def test_a_label_is_that_of_a_plain_forward_alone_and_in_a_batch_of_16(
    folder: Path, theirs: Gemma3ForCausalLM, step_s: float, is_packed: bool
) -> None:
    async with running(folder, step_s, is_packed=is_packed) as engine:
        tree = labels(engine)
        choices = [label[0] for label in tree.labels]
        prompts = [prompt(engine, review) for review in REVIEWS]
        want = [expected(theirs, tokens, choices) for tokens in prompts]

        alone = [await engine.score(Prompt(tuple(tokens)), tree) for tokens in prompts]
        await engine.remember(prompts[0][:20])
        together = await asyncio.gather(
            *(engine.score(Prompt(tuple(tokens)), tree) for tokens in prompts * 8)
        )

    assert alone[0].usage.cached_tokens == 0
    assert all(scores.usage.cached_tokens > 0 for scores in together)
    for scores, logs in zip([*alone, *together], want * 9, strict=True):
        assert scores.logs == pytest.approx(logs, abs=1e-3)


async def test_greedy_replies_are_those_of_generate_beside_labels_and_each_other(
    folder: Path, theirs: Gemma3ForCausalLM
) -> None:
    async with running(folder) as engine:
        prompts = [prompt(engine, review) for review in REVIEWS]
        labelling = [
            asyncio.create_task(engine.score(Prompt(tuple(tokens)), labels(engine)))
            for tokens in prompts * 4
        ]

        said = await asyncio.gather(*(reply(engine, tokens) for tokens in prompts))

        await asyncio.gather(*labelling)
        wanted = [generated(theirs, tokens, engine.tokenizer.decode) for tokens in prompts]
    assert said == wanted


async def test_judging_then_replying_equals_two_calls_for_two_thirds_of_the_tokens(
    folder: Path,
) -> None:
    async with running(folder) as engine:
        tree = labels(engine)
        tokens = prompt(engine, REVIEWS[1])
        opening = Prompt((*tokens, *engine.tokenizer.encode("负面\n回复：")))

        async with engine.judge(Prompt(tuple(tokens)), tree) as judged:
            both = await collect(judged.reply(opening, GREEDY))
        once = engine.load().computed_tokens

    async with running(folder) as engine:
        label = await engine.score(Prompt(tuple(tokens)), tree)
        answer = await reply(engine, list(opening.tokens))
        twice = engine.load().computed_tokens

    assert judged.scores.logs == pytest.approx(label.logs, abs=1e-3)
    assert both == answer
    assert once <= 0.65 * twice


async def reply(engine: Engine, tokens: list[int]) -> str:
    return await collect(engine.reply(Prompt(tuple(tokens)), GREEDY))


async def collect(events) -> str:
    said = ""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finish):
                return said
            said += event.text
    raise AssertionError("a reply without its end")


def generated(
    theirs: Gemma3ForCausalLM, tokens: list[int], decode: Callable[[list[int]], str]
) -> str:
    with torch.inference_mode():
        written = theirs.generate(torch.tensor([tokens]), max_new_tokens=WORDS, do_sample=False)
    return decode(written[0, len(tokens) :].tolist())

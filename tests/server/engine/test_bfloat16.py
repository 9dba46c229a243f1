"""Weights in bfloat16: as near to the exact logits as transformers comes with them."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.loaded import loaded
from support.tiny_models import FAMILIES
from transformers import PreTrainedModel

from tidegate.server.engine import linear
from tidegate.server.engine.batch import Row
from tidegate.server.engine.checkpoint import Checkpoint
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Prompt
from tidegate.server.engine.shape import read_shape
from tidegate.server.engine.slab import Slab

Tiny = Callable[[str], tuple[Path, PreTrainedModel]]
PROMPTS = [[(7 * i * i + 13 * n * i + 3) % 250 for i in range(50)] for n in range(8)]
PROMPT = PROMPTS[0]


def ours(folder: Path) -> torch.Tensor:
    """The logits after each prompt, read in two chunks."""
    checkpoint = Checkpoint(folder)
    shape = read_shape(checkpoint.config(), checkpoint.config("generation_config.json"))
    decoder = Decoder(shape, checkpoint.weights(), 256, torch.bfloat16)
    slab = Slab(len(shape.layers), 2, shape.kv_heads, 256, shape.head_dim, decoder.dtype)
    found = []
    for prompt in PROMPTS:
        decoder.hidden([Row(1, 0, tuple(prompt[:20]))], slab)
        hidden = decoder.hidden([Row(1, 20, tuple(prompt[20:]))], slab)
        found.append(decoder.logits(hidden)[0])
        labels = decoder.label_logits(hidden[0], [17, 3])
        torch.testing.assert_close(labels, found[-1][[17, 3]], atol=0.05, rtol=0.02)
    return torch.stack(found)


def theirs(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor(PROMPTS)).logits[:, -1].float()


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_as_near_to_the_exact_ones_as_those_of_transformers(
    family: str, tiny: Tiny
) -> None:
    """One prompt says little about rounding, the mean over several does."""
    folder, model = tiny(family)
    exact = theirs(model)
    rounded = theirs(copy.deepcopy(model).to(torch.bfloat16))

    logits = ours(folder)

    assert logits.dtype == torch.float32
    assert 0 < (logits - exact).abs().mean() < 1.1 * (rounded - exact).abs().mean()


def test_the_cache_takes_half_the_memory(tiny: Tiny) -> None:
    assert Slab(1, 1, 1, 4, 8, torch.bfloat16).keys[0].nbytes == 64
    assert Slab(1, 1, 1, 4, 8).keys[0].nbytes == 128


async def test_an_engine_answers_in_bfloat16(tiny: Tiny) -> None:
    folder, _ = tiny("gemma3")
    engine = loaded(folder, dtype="bfloat16")
    engine.start()
    fixed = PROMPT[:20]
    plain = await engine.score(Prompt(tuple(PROMPT)), LabelTree([[17], [3]]))
    await engine.remember(fixed)
    remembered = await engine.score(Prompt(tuple(PROMPT)), LabelTree([[17], [3]]))
    await engine.stop()

    assert remembered.usage.cached_tokens > 0
    assert plain.logs == pytest.approx(remembered.logs, abs=0.1)


def test_every_cpu_is_fast_in_float32() -> None:
    assert linear.is_fast(torch.float32)
    assert not linear.is_fast(torch.float16)

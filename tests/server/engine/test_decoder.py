"""The forward pass, held to transformers on random models of every family."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from support.tiny_models import FAMILIES, make_model, store_in_sixteen_bits
from transformers import PreTrainedModel

from tidegate.server.engine.batch import Row
from tidegate.server.engine.checkpoint import Checkpoint
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.linear import Linear, as_stored, halved, packed, plain
from tidegate.server.engine.shape import read_shape
from tidegate.server.engine.slab import Slab

PROMPT = [(7 * i * i + 3) % 250 for i in range(50)]
OTHER = [(5 * i * i + 11) % 250 for i in range(37)]


def load(folder: Path, linear: Linear = packed) -> tuple[Decoder, Slab]:
    checkpoint = Checkpoint(folder)
    shape = read_shape(checkpoint.config(), checkpoint.config("generation_config.json"))
    decoder = Decoder(shape, checkpoint.weights(), 256, linear=linear)
    return decoder, Slab(len(shape.layers), 3, shape.kv_heads, 256, shape.head_dim)


def expected(model: PreTrainedModel, tokens: Sequence[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([list(tokens)])).logits[0, -1]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_those_of_transformers(
    family: str, tiny: Callable[[str], tuple[Path, PreTrainedModel]]
) -> None:
    folder, model = tiny(family)
    decoder, slab = load(folder)

    hidden = decoder.hidden([Row(0, 0, tuple(PROMPT))], slab)

    torch.testing.assert_close(
        decoder.logits(hidden)[0], expected(model, PROMPT), atol=2e-4, rtol=2e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_and_company_change_nothing(
    family: str, tiny: Callable[[str], tuple[Path, PreTrainedModel]]
) -> None:
    """A prompt in three chunks, beside another row, then single tokens beyond any window."""
    folder, model = tiny(family)
    decoder, slab = load(folder)

    decoder.hidden([Row(2, 0, tuple(PROMPT[:20]))], slab)
    decoder.hidden([Row(2, 20, tuple(PROMPT[20:31])), Row(0, 0, tuple(OTHER[:36]))], slab)
    hidden = decoder.hidden([Row(0, 36, (OTHER[36],)), Row(2, 31, tuple(PROMPT[31:]))], slab)

    logits = decoder.logits(hidden)
    torch.testing.assert_close(logits[0], expected(model, OTHER), atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(logits[1], expected(model, PROMPT), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_label_logits_are_rows_of_the_whole(
    family: str, tiny: Callable[[str], tuple[Path, PreTrainedModel]]
) -> None:
    folder, model = tiny(family)
    decoder, slab = load(folder)

    hidden = decoder.hidden([Row(1, 0, tuple(PROMPT))], slab)

    torch.testing.assert_close(
        decoder.label_logits(hidden[0], [17, 3]),
        expected(model, PROMPT)[[17, 3]],
        atol=2e-4,
        rtol=2e-4,
    )


def test_a_recalled_prefix_goes_on_as_if_computed(
    tiny: Callable[[str], tuple[Path, PreTrainedModel]],
) -> None:
    folder, model = tiny("gemma3")
    decoder, slab = load(folder)
    decoder.hidden([Row(0, 0, tuple(PROMPT[:40]))], slab)

    slab.keep(0, 40, prefix_id=5)
    decoder.hidden([Row(0, 0, tuple(OTHER))], slab)
    slab.recall(5, slot=1)
    hidden = decoder.hidden([Row(1, 40, tuple(PROMPT[40:]))], slab)

    torch.testing.assert_close(
        decoder.logits(hidden)[0], expected(model, PROMPT), atol=2e-4, rtol=2e-4
    )


@pytest.fixture
def in_sixteen_bits(tmp_path: Path) -> Callable[[str], tuple[Path, PreTrainedModel]]:
    """A model as hubs have it, stored in bfloat16, and what its numbers say in FP32."""

    def make(family: str) -> tuple[Path, PreTrainedModel]:
        model = make_model(family, tmp_path)
        store_in_sixteen_bits(model, tmp_path)
        return tmp_path, model

    return make


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3"])
@pytest.mark.parametrize("kind", [as_stored, halved, packed, plain])
def test_a_checkpoint_of_sixteen_bits_is_computed_in_fp32(
    kind: Linear, family: str, in_sixteen_bits: Callable[[str], tuple[Path, PreTrainedModel]]
) -> None:
    folder, model = in_sixteen_bits(family)
    decoder, slab = load(folder, kind)

    hidden = decoder.hidden([Row(0, 0, tuple(PROMPT))], slab)

    torch.testing.assert_close(
        decoder.logits(hidden)[0], expected(model, PROMPT), atol=2e-4, rtol=2e-4
    )


def test_steps_go_on_while_products_are_exchanged(
    in_sixteen_bits: Callable[[str], tuple[Path, PreTrainedModel]],
) -> None:
    """Token by token, one more block exchanged before each."""
    folder, model = in_sixteen_bits("qwen2")
    decoder, slab = load(folder, as_stored)
    weights = Checkpoint(folder).weights()

    decoder.hidden([Row(0, 0, tuple(PROMPT[:40]))], slab)
    exchanged = 0
    for at, _ in enumerate(decoder.repack(weights, halved), start=40):
        exchanged += 1
        hidden = decoder.hidden([Row(0, at, (PROMPT[at],))], slab)
        torch.testing.assert_close(
            decoder.logits(hidden)[0], expected(model, PROMPT[: at + 1]), atol=2e-4, rtol=2e-4
        )
    assert exchanged == 1 + len(decoder.shape.layers)


def test_plain_products_answer_where_there_is_no_onednn(
    tiny: Callable[[str], tuple[Path, PreTrainedModel]],
) -> None:
    folder, model = tiny("qwen2")
    decoder, slab = load(folder, plain)

    hidden = decoder.hidden([Row(0, 0, tuple(PROMPT))], slab)

    torch.testing.assert_close(
        decoder.logits(hidden)[0], expected(model, PROMPT), atol=2e-4, rtol=2e-4
    )

"""Everything of a step lies on the device of the weights; checked where no Apple GPU is needed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.loaded import loaded
from support.tiny_models import FAMILIES
from transformers import PreTrainedModel

from tidegate.server.engine.batch import Row
from tidegate.server.engine.checkpoint import Checkpoint
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.loading import ModelError
from tidegate.server.engine.shape import read_shape
from tidegate.server.engine.slab import Slab

Tiny = Callable[[str], tuple[Path, PreTrainedModel]]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_makes_nothing_elsewhere(family: str, tiny: Tiny) -> None:
    """torch's meta device holds no numbers, but refuses to mix with those of a CPU."""
    checkpoint = Checkpoint(tiny(family)[0])
    shape = read_shape(checkpoint.config(), {})
    with torch.device("meta"):
        decoder = Decoder(shape, checkpoint.weights("meta"), 64)
        slab = Slab(len(shape.layers), 2, shape.kv_heads, 64, shape.head_dim, decoder.dtype)
        hidden = decoder.hidden([Row(0, 0, (1, 2, 3)), Row(1, 4, (5,))], slab)
    assert hidden.device.type == "meta"
    assert decoder.logits(hidden).shape == (2, shape.vocabulary)
    assert decoder.label_logits(hidden[0], [17, 3]).device.type == "meta"


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_a_gpu_that_is_not_there_is_one_clear_line(tiny: Tiny) -> None:
    with pytest.raises(ModelError, match="device: 'mps': this machine, or this build of torch"):
        loaded(tiny("qwen2")[0], device="mps")

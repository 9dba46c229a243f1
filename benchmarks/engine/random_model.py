"""Makes the model that is measured: Qwen1.5-0.5B's shape with random weights, stored in bf16.

Speed and memory don't depend on what the weights say. The model has no token that ends a
reply, so that every reply is exactly as long as was asked. Made once, then read from its folder.
"""

import json
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from benchmarks.engine.vocabulary import write_tokenizer


class Size(Enum):
    """Which shape: the one that the gates speak of, or one that a test can afford."""

    FULL = "qwen1.5-0.5b-random"
    TINY = "tiny-random"


# https://huggingface.co/Qwen/Qwen1.5-0.5B-Chat, config.json
_SHAPES: dict[Size, dict[str, Any]] = {
    Size.FULL: {
        "vocab_size": 151_936,
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
    },
    Size.TINY: {
        "vocab_size": 24_000,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    },
}


def model_folder(size: Size, work: Path, tokenizer: Path | None) -> Path:
    """Return the folder of the model of `size` under `work`, making it when it is not there.

    `tokenizer` is a folder with a `tokenizer.json` to use instead of the built one.
    """
    folder = work / (size.value if tokenizer is None else f"{size.value}-{tokenizer.name}")
    if not (folder / "config.json").exists():
        print(f"making {folder} …", file=sys.stderr)
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _write_tokenizer(unfinished, _SHAPES[size]["vocab_size"], tokenizer)
        _write_weights(unfinished, _SHAPES[size])
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return folder


def _write_tokenizer(folder: Path, size: int, tokenizer: Path | None) -> None:
    if tokenizer is None:
        write_tokenizer(folder, size)
        return
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, folder / name)


def _write_weights(folder: Path, shape: dict[str, Any]) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        **shape,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        max_position_embeddings=32_768,
        bos_token_id=None,
        eos_token_id=None,
    )
    model: Any = Qwen2ForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    # generate() pads with it, and warns when it has to guess.
    defaults = {"_from_model_config": False, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(defaults), "utf-8")

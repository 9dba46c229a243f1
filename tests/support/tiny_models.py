"""Random models of a few thousand weights with a byte-level tokenizer: real files, no download."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "eos_token_id": 258,
    "bos_token_id": None,
    "pad_token_id": 256,
    "initializer_range": 0.2,
}
FAMILIES = {
    "llama": lambda: LlamaConfig(**SIZES, tie_word_embeddings=False),
    "llama3": lambda: LlamaConfig(
        **SIZES,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "mistral": lambda: MistralConfig(**SIZES, sliding_window=16),
    "qwen2": lambda: Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SIZES, head_dim=32, tie_word_embeddings=True),
    "gemma3": lambda: Gemma3TextConfig(
        **SIZES,
        head_dim=32,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
}


def byte_tokenizer() -> Tokenizer:
    """Return a tokenizer with one token a byte, then the ChatML specials from 256 on."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    return tokenizer


def make_model(family: str, folder: Path, seed: int = 0) -> PreTrainedModel:
    """Write a random model of `family` with its tokenizer into `folder`; return it."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(FAMILIES[family](), attn_implementation="eager").eval()
    for name, weight in model.named_parameters():
        # Fresh norms and biases are all alike; then a test would not see them mixed up.
        if weight.ndim == 1:
            torch.nn.init.normal_(weight, 0.0 if "bias" in name else 1.0, 0.2)
    model.save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    return model


def store_in_sixteen_bits(model: PreTrainedModel, folder: Path) -> None:
    """Write the model into `folder` as hubs have it, in bfloat16; what it holds is rounded to that."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.bfloat16())
    # A copy: `to` rounds the angles of the rotary positions as well.
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)

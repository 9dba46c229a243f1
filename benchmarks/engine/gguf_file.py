"""Writes the model as a GGUF file in FP32 for llama.cpp, without a vocabulary: it is fed ids.

Qwen2 only. Nothing is permuted or quantised; names and keys are those of llama.cpp's Qwen2.
"""

import json
import os
from pathlib import Path

from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType

from tidegate.server.engine.checkpoint import Checkpoint

_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_file(folder: Path) -> Path:
    """Return the folder's model as a GGUF file, written once beside it."""
    path = folder / "f32.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        _write(folder, unfinished)
        os.replace(unfinished, path)
    return path


def _write(folder: Path, path: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    writer = GGUFWriter(path, "qwen2")
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    for name, read in Checkpoint(folder).weights().items():
        writer.add_tensor(_name(name), read().float().numpy(), None, GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _name(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, *rest, kind = name.split(".")
    return f"blk.{layer}.{_NAMES['.'.join(rest)]}.{kind}"

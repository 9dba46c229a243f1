"""Configurations as they are found in the wild."""

import pytest

from tidegate.server.engine.shape import Rope, UnsupportedModelError, read_shape

QWEN = {
    "model_type": "qwen2",
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32768,
    "eos_token_id": 151645,
    "sliding_window": 32768,
    "use_sliding_window": False,
}


def test_qwen_as_published() -> None:
    shape = read_shape(QWEN, {"eos_token_id": [151645, 151643]})

    assert shape.head_dim == 64
    assert {151643, 151645} == shape.end_tokens
    assert [(Rope(1000000.0), None)] * 2 == [(x.rope, x.window) for x in shape.layers]
    assert shape.kv_values_per_token == 2 * 2 * 16 * 64


def test_gemma_as_published_has_two_kinds_of_layers() -> None:
    gemma = QWEN | {
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        "head_dim": 256,
        "query_pre_attn_scalar": 256,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 512,
        "rope_local_base_freq": 10000.0,
    }

    shape = read_shape(gemma, {})

    assert [(x.rope.theta, x.window) for x in shape.layers] == [(10000.0, 512), (1000000.0, None)]
    assert shape.attention_scale == 1 / 16
    assert shape.is_gemma
    assert shape.has_qk_norm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bert"}, "model_type 'bert' is not supported; supported are llama"),
        ({"hidden_act": "relu"}, "activation 'relu'"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_type 'yarn'"),
        ({"layer_types": ["linear_attention"] * 2}, "layer type 'linear_attention'"),
    ],
    ids=str,
)
def test_what_is_not_computed_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        read_shape(QWEN | change, {})


def test_linear_stretching_divides_every_angle() -> None:
    plain, stretched = Rope(10000.0), Rope(10000.0, "linear", factor=8.0)

    assert [f / 8 for f in plain.frequencies(16)] == stretched.frequencies(16)

"""What a model folder's `config.json` says about the network, for the families we compute.

Llama, Qwen2 (Qwen1.5 too), Qwen3 and Gemma 3 (text) are one network with small differences;
`Shape` holds the differences as values, so that the forward pass asks about features and never
about names. Knows nothing of torch or files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary positions of a layer: base and, where the checkpoint stretches them, how."""

    theta: float
    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_tokens: int = 8192

    def frequencies(self, dim: int) -> list[float]:
        """Return the `dim / 2` angles a position.

        "llama3" leaves short wavelengths as they are, divides long ones by `factor`, and blends
        between (the published rule of Llama 3.1).
        """
        plain = [self.theta ** (-2 * i / dim) for i in range(dim // 2)]
        if self.kind == "linear":
            return [frequency / self.factor for frequency in plain]
        if self.kind == "llama3":
            return [self._llama3(frequency) for frequency in plain]
        return plain

    def _llama3(self, frequency: float) -> float:
        turns = self.original_tokens * frequency / (2 * math.pi)
        share = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        share = min(1.0, max(0.0, share))
        return (1 - share) * frequency / self.factor + share * frequency


@dataclass(frozen=True, slots=True)
class Layer:
    """What differs from layer to layer: positions, and how far back it looks (None: all)."""

    rope: Rope
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes and features of one decoder."""

    family: str
    vocabulary: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    layers: tuple[Layer, ...]
    max_tokens: int
    is_tied: bool
    has_qk_norm: bool
    # Gemma: norms multiply by 1 + weight, surround each half of a layer, embeddings are scaled.
    is_gemma: bool
    attention_scale: float
    end_tokens: frozenset[int]

    @property
    def kv_values_per_token(self) -> int:
        """Numbers that a token leaves in the cache, over all layers, keys and values."""
        return len(self.layers) * 2 * self.kv_heads * self.head_dim


class UnsupportedModelError(ValueError):
    """The configuration names something that we don't compute; the message says what."""


def read_shape(config: Mapping[str, Any], generation: Mapping[str, Any]) -> Shape:
    """Read `config.json` and `generation_config.json` (may be empty)."""
    family = config.get("model_type", "")
    if family not in FAMILIES:
        raise UnsupportedModelError(
            f"model_type {family!r} is not supported; supported are {', '.join(FAMILIES)}"
        )
    gemma = family == "gemma3_text"
    activation = config.get("hidden_activation") or config.get("hidden_act", "silu")
    if activation != ("gelu_pytorch_tanh" if gemma else "silu"):
        raise UnsupportedModelError(f"activation {activation!r} is not supported for {family}")
    for key in ("attn_logit_softcapping", "final_logit_softcapping"):
        if config.get(key):
            raise UnsupportedModelError(f"{key} is not supported")
    heads = int(config["num_attention_heads"])
    width = int(config["hidden_size"])
    head_dim = int(config.get("head_dim") or width // heads)
    return Shape(
        family=family,
        vocabulary=int(config["vocab_size"]),
        width=width,
        inner=int(config["intermediate_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=head_dim,
        eps=float(config.get("rms_norm_eps", 1e-6)),
        layers=_layers(config),
        max_tokens=int(config.get("max_position_embeddings", 2048)),
        # Families disagree about the default, the files say it where it matters.
        is_tied=bool(config.get("tie_word_embeddings", gemma)),
        has_qk_norm=family == "qwen3" or gemma,
        is_gemma=gemma,
        attention_scale=float(config.get("query_pre_attn_scalar") or head_dim) ** -0.5,
        end_tokens=_end_tokens(config, generation),
    )


def _layers(config: Mapping[str, Any]) -> tuple[Layer, ...]:
    count = int(config["num_hidden_layers"])
    kinds = config.get("layer_types") or ["full_attention"] * count
    window = config.get("sliding_window")
    if config.get("model_type") == "mistral" and window and not config.get("layer_types"):
        kinds = ["sliding_attention"] * count
    unknown = set(kinds) - {"full_attention", "sliding_attention"}
    if unknown:
        raise UnsupportedModelError(f"layer type {unknown.pop()!r} is not supported")
    windows = {"full_attention": None, "sliding_attention": window}
    return tuple(Layer(_rope(config, kind), windows[kind]) for kind in kinds)


def _rope(config: Mapping[str, Any], kind: str) -> Rope:
    # transformers 5 writes rope_parameters (Gemma: one for each layer type); older files write
    # rope_theta and rope_scaling, Gemma 3 also rope_local_base_freq for its sliding layers.
    given = config.get("rope_parameters") or {}
    given = given.get(kind, given)
    if not given:
        given = {
            "rope_theta": config.get("rope_theta", 10000.0),
            **(config.get("rope_scaling") or {}),
        }
        if kind == "sliding_attention" and "rope_local_base_freq" in config:
            given = {"rope_theta": config["rope_local_base_freq"]}
    name = given.get("rope_type") or given.get("type") or "default"
    if name not in ("default", "linear", "llama3"):
        raise UnsupportedModelError(f"rope_type {name!r} is not supported")
    return Rope(
        theta=float(given.get("rope_theta", 10000.0)),
        kind=name,
        factor=float(given.get("factor", 1.0)),
        low_freq_factor=float(given.get("low_freq_factor", 1.0)),
        high_freq_factor=float(given.get("high_freq_factor", 4.0)),
        original_tokens=int(given.get("original_max_position_embeddings", 8192)),
    )


def _end_tokens(*sources: Mapping[str, Any]) -> frozenset[int]:
    found: set[int] = set()
    for source in sources:
        end = source.get("eos_token_id")
        found.update(end if isinstance(end, list) else [] if end is None else [end])
    return frozenset(found)

"""The forward pass of the Llama, Qwen and Gemma 3 families over a ragged batch.

All tokens of all rows lie behind each other in one [tokens, width] matrix, so every product is
made once a step, whatever the mix of prompts and replies; only attention goes row by row, each
over the view of its own slot. Nothing is padded, nothing is copied.

Written after the papers (rotary positions: arXiv 2104.09864; grouped heads: arXiv 2305.13245;
gated MLP: arXiv 2002.05202) and the published configurations; held to transformers by test.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from tidegate.server.engine.batch import Row
from tidegate.server.engine.linear import Linear, Product, plain, table
from tidegate.server.engine.shape import Layer, Rope, Shape
from tidegate.server.engine.slab import Slab

Weights = Mapping[str, Callable[[], torch.Tensor]]


@dataclass(frozen=True, slots=True)
class _Block:
    layer: Layer
    qkv: Product
    out: Product
    gate_up: Product
    down: Product
    # Names as in the checkpoints; Gemma has norms after attention and after the MLP as well.
    norms: Mapping[str, torch.Tensor]


class Decoder:
    """One network with its weights. `hidden` runs it, `logits` and `label_logits` read it."""

    def __init__(
        self,
        shape: Shape,
        weights: Weights,
        max_tokens: int,
        dtype: torch.dtype = torch.float32,
        linear: Linear = plain,
    ) -> None:
        """Take the weights out of `weights`, one at a time, so that none is resident twice.

        `dtype` is that of the products and of the slab, `linear` the kind of product.
        """
        self.shape = shape
        self.dtype = dtype
        # The largest first: it is there twice for a moment, while nothing else is there at all.
        embedding = weights["model.embed_tokens.weight"]()
        self._rows, self._head = table(
            embedding if shape.is_tied else weights["lm_head.weight"](), dtype, linear
        )
        self._embedding = self._rows if shape.is_tied else embedding
        del embedding
        self._blocks = [
            self._block(i, layer, weights, linear) for i, layer in enumerate(shape.layers)
        ]
        self._norm = self._gain(weights["model.norm.weight"]())
        self._rotations = {
            layer.rope: _rotations(layer.rope, shape.head_dim, max_tokens, self.dtype)
            for layer in shape.layers
        }

    def repack(self, weights: Weights, linear: Linear) -> Iterator[None]:
        """Exchange the products for those of `linear`, block by block; steps go on meanwhile."""
        # Both attributes are set at once, and a step takes each block once: it sees one or the other.
        self._rows, self._head = table(self._rows, self.dtype, linear)
        yield
        for index, layer in enumerate(self.shape.layers):
            self._blocks[index] = self._block(index, layer, weights, linear)
            yield

    @torch.inference_mode()
    def hidden(self, rows: Sequence[Row], slab: Slab) -> torch.Tensor:
        """Write the rows' keys and values into the slab; return each row's last state [rows, width]."""
        lengths = [len(row.tokens) for row in rows]
        tokens = torch.tensor([token for row in rows for token in row.tokens])
        positions = torch.tensor(
            [row.start + i for row, n in zip(rows, lengths, strict=True) for i in range(n)]
        )
        x = functional.embedding(tokens, self._embedding).to(self.dtype)
        if self.shape.is_gemma:
            # Rounded to the dtype as it was in training.
            x = x * torch.tensor(math.sqrt(self.shape.width), dtype=self.dtype)
        rotations = {
            rope: (cos[positions], sin[positions]) for rope, (cos, sin) in self._rotations.items()
        }
        masks: dict[tuple[int, int, int | None], torch.Tensor | None] = {}
        last = len(self._blocks) - 1
        ends = torch.tensor(lengths).cumsum(0) - 1
        for index, block in enumerate(self._blocks):
            mixed = self._attend(index, block, x, rows, rotations, slab, masks)
            if index == last:
                # Nobody reads the other states of the last layer.
                x, mixed = x[ends], mixed[ends]
            x = self._feed(block, x, block.out(mixed))
        return self._normed(x, self._norm)

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of the whole vocabulary, [rows, vocabulary], as float32."""
        return self._head(hidden).float()

    @torch.inference_mode()
    def label_logits(self, hidden: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
        """Return the logits of a few tokens for one state [width]; the rest is never computed."""
        return self._rows[list(tokens)].float() @ hidden.float()

    def _attend(
        self,
        index: int,
        block: _Block,
        x: torch.Tensor,
        rows: Sequence[Row],
        rotations: Mapping[Rope, tuple[torch.Tensor, torch.Tensor]],
        slab: Slab,
        masks: dict[tuple[int, int, int | None], torch.Tensor | None],
    ) -> torch.Tensor:
        shape = self.shape
        normed = self._normed(x, block.norms["input_layernorm"])
        mixture = block.qkv(normed).view(-1, shape.heads + 2 * shape.kv_heads, shape.head_dim)
        qk, v = torch.split(mixture, [shape.heads + shape.kv_heads, shape.kv_heads], dim=1)
        if shape.has_qk_norm:
            q, k = torch.split(qk, [shape.heads, shape.kv_heads], dim=1)
            q = self._normed(q, block.norms["q_norm"])
            k = self._normed(k, block.norms["k_norm"])
            qk = torch.cat((q, k), dim=1)
        cos, sin = rotations[block.layer.rope]
        q, k = torch.split(_rotate(qk, cos, sin), [shape.heads, shape.kv_heads], dim=1)
        keys, values = slab.keys[index], slab.values[index]
        mixed = torch.empty_like(q)
        at = 0
        for row in rows:
            count = len(row.tokens)
            end = row.start + count
            # Row by row as well: one write to scattered places takes ten times as long.
            keys[row.slot, :, row.start : end] = k[at : at + count].transpose(0, 1)
            values[row.slot, :, row.start : end] = v[at : at + count].transpose(0, 1)
            window = block.layer.window
            begin = max(0, row.start - window + 1) if window else 0
            key = (row.start - begin, count, window)
            if key not in masks:
                masks[key] = _mask(*key)
            mixed[at : at + count] = functional.scaled_dot_product_attention(
                q[at : at + count].transpose(0, 1)[None],
                keys[row.slot, :, begin:end][None],
                values[row.slot, :, begin:end][None],
                attn_mask=masks[key],
                scale=shape.attention_scale,
                enable_gqa=shape.heads != shape.kv_heads,
            )[0].transpose(0, 1)
            at += count
        return mixed.reshape(-1, shape.heads * shape.head_dim)

    def _feed(self, block: _Block, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        norms = block.norms
        if self.shape.is_gemma:
            x = x + self._normed(attended, norms["post_attention_layernorm"])
            inner = self._gated(block, self._normed(x, norms["pre_feedforward_layernorm"]))
            return x + self._normed(inner, norms["post_feedforward_layernorm"])
        x = x + attended
        return x + self._gated(block, self._normed(x, norms["post_attention_layernorm"]))

    def _gated(self, block: _Block, x: torch.Tensor) -> torch.Tensor:
        gate, up = block.gate_up(x).chunk(2, dim=-1)
        if self.shape.is_gemma:
            return block.down(functional.gelu(gate, approximate="tanh") * up)
        return block.down(functional.silu(gate) * up)

    def _normed(self, x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        # In float32 whatever the weights are, as in training; nothing is copied when they are, too.
        return functional.rms_norm(x.float(), gain.shape, gain, self.shape.eps).to(x.dtype)

    def _gain(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.float() + 1 if self.shape.is_gemma else weight.float()

    def _block(self, index: int, layer: Layer, weights: Weights, linear: Linear) -> _Block:
        name = f"model.layers.{index}."

        def joined(*parts: str) -> Product:
            stored = [weights[f"{name}{part}.weight"]() for part in parts]
            biased = f"{name}{parts[0]}.bias" in weights
            bias = (
                torch.cat([weights[f"{name}{part}.bias"]() for part in parts]) if biased else None
            )
            return linear(stored, bias, self.dtype)

        norms = ["input_layernorm", "post_attention_layernorm"]
        if self.shape.is_gemma:
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        gains = {norm: self._gain(weights[f"{name}{norm}.weight"]()) for norm in norms}
        if self.shape.has_qk_norm:
            for norm in ("q_norm", "k_norm"):
                gains[norm] = self._gain(weights[f"{name}self_attn.{norm}.weight"]())
        return _Block(
            layer=layer,
            qkv=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            out=joined("self_attn.o_proj"),
            gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
            down=joined("mlp.down_proj"),
            norms=gains,
        )


def _rotations(
    rope: Rope, dim: int, length: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    angles = torch.outer(torch.arange(length).float(), torch.tensor(rope.frequencies(dim)))
    doubled = angles.repeat(1, 2)[:, None]
    return doubled.cos().to(dtype), doubled.sin().to(dtype)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return (x * cos).addcmul_(torch.cat((-second, first), dim=-1), sin)


def _mask(before: int, count: int, window: int | None) -> torch.Tensor | None:
    """Return who sees whom, [count, before + count]; None when everyone sees everything."""
    if count == 1:
        return None
    distance = torch.arange(before, before + count)[:, None] - torch.arange(before + count)[None]
    seen = distance >= 0
    return seen & (distance < window) if window else seen

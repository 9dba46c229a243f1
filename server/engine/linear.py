"""A matrix product whose weight lies in memory as the machine likes to read it.

Plain FP32 `F.linear` runs far below the memory bus for the 1 to 32 rows of a decode step; oneDNN's own
weight order doesn't, and a weight that was stored in 16 bits needs only half the bus. Measured on 2 cores
(Zen 4), all products of a 0.5B model for 1 and for 8 rows: plain 82 and 144 ms, in oneDNN's order 50 and
51 ms, in 16 bits 21 and 31 ms. Where torch was built without these, the plain product answers.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

Product = Callable[[torch.Tensor], torch.Tensor]
# Of a weight [out, in] as it is stored, in parts that lie below each other and may be freed then, a bias, and
# the dtype of x: x -> x @ weight.T + bias, for x of shape [rows, in].
Linear = Callable[[Sequence[torch.Tensor], torch.Tensor | None, torch.dtype], Product]

# The number of rows that the order is optimised for; the product is right for any number.
_ROWS_HINT = 16
_SIXTEEN_BITS = (torch.bfloat16, torch.float16)
# The largest weight is brought to here: a power of two, and below float16's largest number, 65504.
_HALF_TOP = 2**15
# Numbers of a weight that are converted at a time: more of them leave the cache before they are used.
_CONVERTED = 2**20
# Numbers of a weight that are packed as one: a whole head takes ten times as long as its pieces do.
_PACKED = 2**23


def plain(parts: Sequence[torch.Tensor], bias: torch.Tensor | None, dtype: torch.dtype) -> Product:
    """Return the product as torch makes it."""
    weight, bias = _joined(parts).to(dtype), None if bias is None else bias.to(dtype)
    return lambda x: functional.linear(x, weight, bias)


def as_stored(
    parts: Sequence[torch.Tensor], bias: torch.Tensor | None, dtype: torch.dtype
) -> Product:
    """Return the product over the weight where it lies, in a file even; ask `can_pack` first.

    There at once, and without memory of its own: what is stored in another dtype is converted piece by
    piece, at each use, within the cache. That costs about as much time as packing saves.
    """
    bias = None if bias is None else bias.to(dtype)
    pieces = [
        piece
        for part in parts
        for piece in ((part,) if part.dtype == dtype else _pieces(part, _CONVERTED))
    ]
    if len(pieces) == 1 and pieces[0].dtype == dtype:
        return _by_onednn(pieces[0], bias)

    def product(x: torch.Tensor) -> torch.Tensor:
        out = torch.cat([_multiply(x, piece.to(dtype), None) for piece in pieces], dim=-1)
        return out if bias is None else out.add_(bias)

    return product


def packed(parts: Sequence[torch.Tensor], bias: torch.Tensor | None, dtype: torch.dtype) -> Product:
    """Return the product over the weight in oneDNN's order; ask `can_pack` first."""
    weight = _joined(parts).to(dtype).contiguous()
    order = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS_HINT)
    return _by_onednn(order, None if bias is None else bias.to(dtype))


def halved(parts: Sequence[torch.Tensor], bias: torch.Tensor | None, dtype: torch.dtype) -> Product:
    """Return the FP32 product over a weight kept in 16 bits; plain where `can_halve` says no.

    Nothing is rounded that FP32 would keep. A weight of bfloat16 has 8 significant bits, float16 has 11
    and only lacks the range, so all are scaled by one power of two: those within 2^-32 of the largest are
    exact, and smaller ones are off by less than 2^-39 of it, where FP32 rounds a sum at 2^-24. What
    comes out differs from another FP32 product by the order of its additions.
    """
    if not all(can_halve(part.dtype, dtype, part.device.type) for part in parts):
        return plain(parts, bias, dtype)
    weight = _joined(parts)
    scale = _power_to(weight)
    pieces = [
        torch.ops.quantized.linear_prepack_fp16(piece.to(dtype) * scale, None)
        for piece in _pieces(weight, _PACKED)
    ]
    bias = None if bias is None else bias.to(dtype)
    multiply = torch.ops.quantized.linear_dynamic_fp16

    def product(x: torch.Tensor) -> torch.Tensor:
        x = x / scale
        parts = [multiply(x, piece) for piece in pieces]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return out if bias is None else out.add_(bias)

    return product


def table(stored: torch.Tensor, dtype: torch.dtype, linear: Linear) -> tuple[torch.Tensor, Product]:
    """Return a table whose rows are read, and x -> x @ table.T for x of `dtype`.

    What is stored in half the bytes is kept so, exactly, and packed once more for the product.
    Otherwise one copy serves both.
    """
    if linear is not plain and stored.itemsize < dtype.itemsize:
        return stored, linear([stored], None, dtype)
    weight = stored.to(dtype)
    return weight, (plain if linear is plain else as_stored)([weight], None, dtype)


def can_pack(dtype: torch.dtype, device: str) -> bool:
    """Return whether torch reorders weights of `dtype` here, and computes with them fast."""
    return (
        torch._C._has_mkldnn
        and device == "cpu"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and is_fast(dtype)
    )


def can_halve(stored: torch.dtype, dtype: torch.dtype, device: str) -> bool:
    """Return whether weights `stored` so can be kept in 16 bits and computed with in `dtype`, exactly."""
    return (
        stored in _SIXTEEN_BITS
        and dtype == torch.float32
        and device == "cpu"
        and "fbgemm" in torch.backends.quantized.supported_engines
    )


def is_fast(dtype: torch.dtype) -> bool:
    """Return whether this CPU computes in `dtype` by itself; bfloat16 asks for AVX-512 or newer."""
    if dtype == torch.float32:
        return True
    supports: Callable[[], bool] = torch.ops.mkldnn._is_mkldnn_bf16_supported
    return dtype == torch.bfloat16 and supports()


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _by_onednn(weight: torch.Tensor, bias: torch.Tensor | None) -> Product:
    return lambda x: _multiply(x, weight, bias)


def _multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


def _pieces(weight: torch.Tensor, numbers: int) -> tuple[torch.Tensor, ...]:
    return torch.split(weight, max(1, numbers // weight.shape[1]))


def _power_to(weight: torch.Tensor) -> float:
    """Return the power of two that brings the largest weight to just below `_HALF_TOP`."""
    largest = float(weight.abs().max())
    if not 0 < largest < math.inf:
        return 1.0
    return _HALF_TOP / 2.0 ** math.ceil(math.log2(largest))

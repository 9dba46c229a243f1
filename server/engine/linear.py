"""A matrix product whose weight lies in memory as the machine likes to read it.

Plain FP32 `F.linear` runs far below the memory bus for the 2 to 32 rows of a decode step;
oneDNN's own weight order doesn't. Measured on 2 cores, 5632x1024 by 8 rows: 6.1 ms plain,
2.5 ms reordered. Where torch was built without oneDNN, the plain product answers.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

Product = Callable[[torch.Tensor], torch.Tensor]
# Of a weight [out, in], which may be freed then, and a bias: x -> x @ weight.T + bias.
Linear = Callable[[torch.Tensor, torch.Tensor | None], Product]

# The number of rows that the order is optimised for; the product is right for any number.
_ROWS_HINT = 16


def plain(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Product:
    """Return the product as torch makes it, for x of shape [rows, in]."""
    return lambda x: functional.linear(x, weight, bias)


def packed(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Product:
    """Return the product over the reordered weight; ask `can_pack` first."""
    order = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)
    return _by_onednn(order, bias)


def table(stored: torch.Tensor, dtype: torch.dtype, linear: Linear) -> tuple[torch.Tensor, Product]:
    """Return a table whose rows are read, and x -> x @ table.T for x of `dtype`.

    What is stored in half the bytes is kept so, exactly, and packed for the product: a half more
    memory, a third less time. Otherwise one plain copy serves both, by oneDNN where it can.
    """
    if linear is packed and stored.itemsize < dtype.itemsize:
        return stored, packed(stored.to(dtype))
    weight = stored.to(dtype)
    return weight, _by_onednn(weight, None) if linear is packed else plain(weight)


def can_pack(dtype: torch.dtype, device: str) -> bool:
    """Return whether torch reorders weights of `dtype` here, and computes with them fast."""
    return (
        torch._C._has_mkldnn
        and device == "cpu"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and is_fast(dtype)
    )


def is_fast(dtype: torch.dtype) -> bool:
    """Return whether this CPU computes in `dtype` by itself; bfloat16 asks for AVX-512 or newer."""
    if dtype == torch.float32:
        return True
    supports: Callable[[], bool] = torch.ops.mkldnn._is_mkldnn_bf16_supported
    return dtype == torch.bfloat16 and supports()


def _by_onednn(weight: torch.Tensor, bias: torch.Tensor | None) -> Product:
    def product(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return out

    return product

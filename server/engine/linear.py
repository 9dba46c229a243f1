"""A matrix product whose weight lies in memory as the machine likes to read it.

Plain FP32 `F.linear` runs far below the memory bus for the 2 to 32 rows of a decode step;
oneDNN's own weight order doesn't. Measured on 2 cores, 3072x1024 by 16 rows: 8.4 ms plain,
2.0 ms reordered. Where torch was built without oneDNN, the plain product answers.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

Product = Callable[[torch.Tensor], torch.Tensor]

# The number of rows that the order is optimised for; the product is right for any number.
_ROWS_HINT = 16


def linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Product:
    """Return x -> x @ weight.T + bias, for x of shape [rows, in]; `weight` [out, in] may be freed."""
    if _has_onednn(weight):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)

        def product(x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
            return out

        return product
    return lambda x: functional.linear(x, weight, bias)


def table(weight: torch.Tensor) -> Product:
    """Return x -> x @ weight.T for a table that is kept as it is, because rows of it are read too.

    oneDNN on the plain weight: half to two thirds of `F.linear`'s time, no second copy.
    """
    if not _has_onednn(weight):
        return lambda x: functional.linear(x, weight)

    def product(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        return out

    return product


def is_fast(dtype: torch.dtype) -> bool:
    """Return whether this CPU computes in `dtype` by itself; bfloat16 asks for AVX-512 or newer."""
    if dtype == torch.float32:
        return True
    supports: Callable[[], bool] = torch.ops.mkldnn._is_mkldnn_bf16_supported
    return dtype == torch.bfloat16 and supports()


def _has_onednn(weight: torch.Tensor) -> bool:
    return (
        torch._C._has_mkldnn
        and weight.device.type == "cpu"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (weight.dtype == torch.float32 or is_fast(weight.dtype))
    )

"""Whether reordered weights pay on this machine: measured once, remembered, said in the log.

Knows nothing of models but the size of their widest layer.
"""

import json
import os
import platform
import time
from pathlib import Path

import structlog
import torch

from tidegate.server.engine.linear import Linear, Product, can_pack, packed, plain

# A decode step of a full house, where the two differ most, and one chat alone.
_ROWS = (8, 1)
_ROUNDS = 5
# As in a model, no cache holds all copies of the weight.
_COPIES = 6

log = structlog.get_logger()


def choose(outputs: int, inputs: int, dtype: torch.dtype, device: str, cache_dir: Path) -> Linear:
    """Return the faster kind of product for weights [outputs, inputs]."""
    if not can_pack(dtype, device):
        return plain
    file = cache_dir / "packing.json"
    known = _read(file)
    key = _key(outputs, inputs, dtype)
    if key not in known:
        known[key] = _gain(outputs, inputs, dtype)
        _write(file, known)
    log.info("products are packed" if known[key] > 1 else "products are plain", gain=known[key])
    return packed if known[key] > 1 else plain


def _gain(outputs: int, inputs: int, dtype: torch.dtype) -> float:
    """Return how many times faster packed products are."""
    weights = [torch.ones(outputs, inputs, dtype=dtype) for _ in range(_COPIES)]
    kinds = [[kind(weight, None) for weight in weights] for kind in (plain, packed)]
    times = [0.0, 0.0]
    for rows in _ROWS:
        x = torch.ones(rows, inputs, dtype=dtype)
        # In turn, so that what else runs here slows both.
        rounds = [[_time(products, x) for products in kinds] for _ in range(_ROUNDS)]
        for kind, seconds in enumerate(zip(*rounds, strict=True)):
            times[kind] += min(seconds)
    return round(times[0] / times[1], 2)


def _time(products: list[Product], x: torch.Tensor) -> float:
    began_s = time.perf_counter()
    for product in products:
        product(x)
    return time.perf_counter() - began_s


def _key(outputs: int, inputs: int, dtype: torch.dtype) -> str:
    """Name everything that the answer depends on."""
    return (
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} "
        f"{torch.get_num_threads()}/{os.cpu_count()} threads, torch {torch.__version__}, "
        f"{outputs}x{inputs} {dtype}"
    )


def _read(file: Path) -> dict[str, float]:
    try:
        known: dict[str, float] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def _write(file: Path, known: dict[str, float]) -> None:
    """Remember; a folder that can't be written costs a measurement at the next start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    except OSError as error:
        log.warning("the measurement can't be kept", file=str(file), error=str(error))

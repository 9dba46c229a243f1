"""Which kind of product is fastest on this machine: measured once, remembered, said in the log.

Knows nothing of models but the size of their widest layer.
"""

import json
import os
import platform
import time
from pathlib import Path

import structlog
import torch

from tidegate.server.engine.linear import (
    Linear,
    Product,
    can_halve,
    can_pack,
    halved,
    packed,
    plain,
)

_KINDS: dict[str, Linear] = {"plain": plain, "packed": packed, "halved": halved}
# A decode step of a full house, where they differ most, and one chat alone.
_ROWS = (8, 1)
_ROUNDS = 5
# As in a model, no cache holds all copies of the weight.
_COPIES = 6

log = structlog.get_logger()


def choose(
    outputs: int,
    inputs: int,
    stored: torch.dtype,
    dtype: torch.dtype,
    device: str,
    cache_dir: Path,
) -> Linear:
    """Return the fastest kind of product for weights [outputs, inputs] that are `stored` so."""
    names = _possible(stored, dtype, device)
    if len(names) == 1:
        return plain
    file = cache_dir / "packing.json"
    known = _read(file)
    key = _key(outputs, inputs, dtype, names)
    if key not in known:
        known[key] = _gains(outputs, inputs, stored, dtype, names)
        _write(file, known)
    best = max(names, key=lambda name: known[key][name])
    log.info("products chosen", kind=best, times_as_fast_as_plain=known[key])
    return _KINDS[best]


def _possible(stored: torch.dtype, dtype: torch.dtype, device: str) -> list[str]:
    names = ["plain"]
    if can_pack(dtype, device):
        names.append("packed")
    if can_halve(stored, dtype, device):
        names.append("halved")
    return names


def _gains(
    outputs: int, inputs: int, stored: torch.dtype, dtype: torch.dtype, names: list[str]
) -> dict[str, float]:
    """Return how many times as fast as the plain product each kind is."""
    weights = [torch.ones(outputs, inputs, dtype=stored) for _ in range(_COPIES)]
    kinds = [[_KINDS[name]([weight], None, dtype) for weight in weights] for name in names]
    times = [0.0] * len(kinds)
    for rows in _ROWS:
        x = torch.ones(rows, inputs, dtype=dtype)
        # In turn, so that what else runs here slows all.
        rounds = [[_time(products, x) for products in kinds] for _ in range(_ROUNDS)]
        for kind, seconds in enumerate(zip(*rounds, strict=True)):
            times[kind] += min(seconds)
    return {name: round(times[0] / time, 2) for name, time in zip(names, times, strict=True)}


def _time(products: list[Product], x: torch.Tensor) -> float:
    began_s = time.perf_counter()
    for product in products:
        product(x)
    return time.perf_counter() - began_s


def _key(outputs: int, inputs: int, dtype: torch.dtype, names: list[str]) -> str:
    """Name everything that the answer depends on."""
    return (
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} "
        f"{torch.get_num_threads()}/{os.cpu_count()} threads, torch {torch.__version__}, "
        f"{outputs}x{inputs} {dtype}, {'/'.join(names)}"
    )


def _read(file: Path) -> dict[str, dict[str, float]]:
    try:
        known: dict[str, dict[str, float]] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: gains for key, gains in known.items() if isinstance(gains, dict)}


def _write(file: Path, known: dict[str, dict[str, float]]) -> None:
    """Remember; a folder that can't be written costs a measurement at the next start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    except OSError as error:
        log.warning("the measurement can't be kept", file=str(file), error=str(error))

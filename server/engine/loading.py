"""From the name of a model to an engine that is ready to start.

Every way in which a model can't be loaded ends here as one `ModelError` with one clear line.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import psutil
import structlog
import torch

from tidegate.operating.freed_memory import give_back
from tidegate.server.engine.checkpoint import BrokenCheckpointError, Checkpoint
from tidegate.server.engine.conversion import MissingExtraError, Progress, cache_folder
from tidegate.server.engine.decoder import Decoder, Weights
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.linear import as_stored, can_pack, is_fast, plain
from tidegate.server.engine.model import TorchModel
from tidegate.server.engine.packing import choose
from tidegate.server.engine.prefix_files import PrefixFiles
from tidegate.server.engine.shape import UnsupportedModelError, read_shape
from tidegate.server.engine.sources import ModelNotFoundError, locate
from tidegate.server.engine.tokens import FolderTokenizer

Dtype = Literal["float32", "bfloat16"]
Device = Literal["cpu", "mps"]
_DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_GB = 1e9
# Memory that Python, torch and their libraries take beside the weights, measured at 0.45 GB.
_RUNTIME_BYTES = 500_000_000
# The shortest slot that is of use.
_FEWEST_TOKENS = 64

log = structlog.get_logger()


class ModelError(Exception):
    """The model can't be loaded; the message is one line that says why and what to do."""


def load_engine(
    model: str,
    *,
    cache_dir: Path | None,
    slots: int,
    reserved: int,
    context_tokens: int,
    threads: int,
    progress: Progress,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    cache_bytes: int = 0,
    prefix_bytes: int = 512_000_000,
    step_s: float = 0.15,
) -> Engine:
    """Load `model` (a hub id, folder, GGUF file or "bundled") and return its engine, not started.

    `slots` sequences run at once, `reserved` of them never chats; each holds at most
    `context_tokens`, and all together at most `cache_bytes` (0: no bound). Kept beginnings of
    prompts have `prefix_bytes` besides. `threads` 0 leaves the number to torch. `dtype` is that
    of the weights and of the cache, `device` where they lie. No step is to last longer than
    `step_s`. `progress(stage, done, total)` is called as things go on. Raises ModelError.
    """
    if threads:
        torch.set_num_threads(threads)
    if device == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device: 'mps': this machine, or this build of torch, has none; use 'cpu'")
    if device == "cpu" and not is_fast(_DTYPES[dtype]):
        log.warning("this CPU doesn't compute in the dtype: half the memory, but slow", dtype=dtype)
    cache = cache_folder(cache_dir)
    try:
        checkpoint = Checkpoint(locate(model, cache_dir, progress))
        log.info("weights found", folder=str(checkpoint.folder))
        shape = read_shape(checkpoint.config(), checkpoint.config("generation_config.json"))
        token_bytes = shape.kv_values_per_token * _DTYPES[dtype].itemsize
        context_tokens = min(context_tokens, shape.max_tokens)
        if cache_bytes:
            context_tokens = _fit(context_tokens, cache_bytes // (slots * token_bytes))
        _require_memory(
            model,
            checkpoint.count_values() * _DTYPES[dtype].itemsize,
            slots * context_tokens * token_bytes,
            f"{slots} slots of {context_tokens} tokens",
        )
        progress("loading the weights", 0, 1)
        with torch.device(device), ThreadPoolExecutor(1, "tokenizer") as beside:
            reading = beside.submit(FolderTokenizer, checkpoint.folder)
            weights = checkpoint.weights(device)
            can_be_packed = can_pack(_DTYPES[dtype], device)
            linear = as_stored if can_be_packed else plain
            decoder = Decoder(shape, weights, context_tokens, _DTYPES[dtype], linear)
            tokenizer = reading.result()
    except (
        BrokenCheckpointError,
        MissingExtraError,
        ModelNotFoundError,
        UnsupportedModelError,
    ) as error:
        raise ModelError(str(error)) from error
    except KeyError as error:
        raise ModelError(f"model {model!r}: the folder has no weight or setting {error}") from error
    progress("loading the weights", 1, 1)
    fingerprint = f"{checkpoint.fingerprint()} {dtype}"
    files = PrefixFiles(cache / "prefixes", f"{version('tidegate')} {fingerprint}")
    return Engine(
        TorchModel(decoder, slots, context_tokens, device, files),
        tokenizer,
        model_name=model,
        slots=slots,
        reserved=reserved,
        context_tokens=context_tokens,
        prefix_tokens=prefix_bytes // token_bytes,
        step_s=step_s,
        fingerprint=fingerprint,
        pack=partial(_pack, decoder, weights, cache) if can_be_packed else _nothing,
    )


def _pack(decoder: Decoder, weights: Weights, cache: Path) -> Iterator[None]:
    """Bring the products into the order that is fastest here, a part of the model at a time."""
    shape = decoder.shape
    stored = weights["model.layers.0.mlp.down_proj.weight"]().dtype
    linear = choose(2 * shape.inner, shape.width, stored, decoder.dtype, "cpu", cache)
    for _ in decoder.repack(weights, linear):
        give_back()
        yield


def _nothing() -> Iterator[None]:
    yield from ()


def _fit(context_tokens: int, there_are: int) -> int:
    """Return the tokens of a slot that fit into the cache; refuse a slot that holds no prompt."""
    if there_are < min(context_tokens, _FEWEST_TOKENS):
        raise ModelError(
            f"cache_megabytes: each slot would hold {there_are} tokens, {_FEWEST_TOKENS} are the "
            "fewest: raise it, or lower --chat-slots"
        )
    if there_are < context_tokens:
        log.info("the cache bounds the context", asked_tokens=context_tokens, tokens=there_are)
    return min(context_tokens, there_are)


def _require_memory(model: str, weights: int, slab: int, slots: str) -> None:
    free = psutil.virtual_memory().available
    if weights + slab + _RUNTIME_BYTES > free:
        raise ModelError(
            f"model {model!r} needs {weights / _GB:.1f} GB for its weights and up to "
            f"{slab / _GB:.1f} GB for {slots}, {free / _GB:.1f} GB are free: "
            "lower --context-tokens, --chat-slots or --cache-megabytes, or choose a smaller model"
        )

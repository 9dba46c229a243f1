"""Where a model comes from: `bundled`, a GGUF file, a folder, or a hub id.

Turns the setting into a folder on disk, downloading or converting where that is needed. Knows
nothing of networks.
"""

import os
import re
from pathlib import Path

import platformdirs

from tidegate.server.engine.checkpoint import BrokenCheckpointError, Checkpoint
from tidegate.server.engine.conversion import Progress, bundled, from_gguf

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILES = ["*.json", "*.safetensors"]


class ModelNotFoundError(Exception):
    """The setting leads to no model; the message says what was tried."""


def locate(model: str, cache_dir: Path | None, progress: Progress) -> Path:
    """Return the folder of `model`. Raises ModelNotFoundError, MissingExtraError."""
    cache = cache_dir or Path(platformdirs.user_cache_dir("tidegate"))
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
    # Imported here: a second to load, and a local folder needs none of it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(*, offline: bool) -> Path:
        return Path(
            snapshot_download(
                model, cache_dir=cache_dir, allow_patterns=_FILES, local_files_only=offline
            )
        )

    try:
        # A complete copy in the cache is used without asking anyone.
        folder = fetch(offline=True)
        Checkpoint(folder)
    except (LocalEntryNotFoundError, BrokenCheckpointError):
        progress(f"downloading {model}", 0, 1)
    else:
        return folder
    try:
        folder = fetch(offline=False)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelNotFoundError(
            f"model {model!r}: no such folder, not in the cache, and the hub did not give it "
            f"({_first_line(error)}); a download that was cut off goes on at the next start"
        ) from error
    progress(f"downloading {model}", 1, 1)
    return folder


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split(os.linesep)[0]

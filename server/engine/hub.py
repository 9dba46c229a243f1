"""Brings a model from the hub into the hub's own cache, going on where an earlier start stopped.

The hub's client leaves nothing behind when a download breaks off, so the weights are fetched
here into a file that stays, and handed to the client's cache when they are complete. Knows
nothing of what the files mean.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

Progress = Callable[[str, int, int], None]

# Top-level files only: other formats lie in folders, and nothing reads them here.
_CONFIGURATION = "*.json"
_WEIGHTS = "model*.safetensors"
_FOLDERS = "*/*"
_BLOCK_BYTES = 1 << 22
_SHA256_DIGITS = 64
_GB = 1e9


class DownloadError(Exception):
    """The hub did not give the model. The message says why, and what to do."""


def find_cached(model: str, cache_dir: Path | None) -> Path | None:
    """Return the folder of a model that is in the cache, asking nobody; None when it isn't."""
    # Imported here and below: a second to load, and a local folder needs none of it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(_snapshot(snapshot_download, model, cache_dir, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def download(model: str, cache_dir: Path | None, progress: Progress) -> Path:
    """Fetch what the cache doesn't hold of `model` and return its folder.

    What had arrived before a connection broke, or a process was killed, is not fetched again.
    `progress` counts bytes of weights. Raises DownloadError.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    # It would tell of each of its retries, and of its small files, beside our one line.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        _fetch_weights(model, cache_dir, progress)
        return Path(_snapshot(snapshot_download, model, cache_dir, local_files_only=False))
    except DownloadError:
        raise
    except Exception as error:  # its HTTP library's errors share no other base with its own
        raise DownloadError(_explain(model, error)) from error


def _snapshot(
    fetch: Callable[..., str], model: str, cache_dir: Path | None, *, local_files_only: bool
) -> str:
    return fetch(
        model,
        cache_dir=cache_dir,
        allow_patterns=[_CONFIGURATION, _WEIGHTS],
        ignore_patterns=[_FOLDERS],
        local_files_only=local_files_only,
    )


def _fetch_weights(model: str, cache_dir: Path | None, progress: Progress) -> None:
    """Put the weights where the client's cache looks for a file of their content."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name

    info = HfApi().model_info(model, files_metadata=True)
    blobs = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
    blobs = blobs / repo_folder_name(repo_id=model, repo_type="model") / "blobs"
    files = [
        _File(model, str(info.sha), one, blobs)
        for one in info.siblings or []
        if fnmatch(one.rfilename, _WEIGHTS) and not fnmatch(one.rfilename, _FOLDERS)
    ]
    if not files:
        raise DownloadError("it is on the hub, but without weights as safetensors files")
    missing = [file for file in files if not file.goal.exists()]
    _require_room(blobs, sum(file.size_bytes - file.arrived_bytes for file in missing))
    meter = _Meter(f"downloading {model}", sum(file.size_bytes for file in missing), progress)
    for file in missing:
        file.fetch(meter)


class _File:
    """One file of weights: where it comes from, where it goes, and what is there of it."""

    def __init__(self, model: str, commit: str, listed: Any, blobs: Path) -> None:
        self._model = model
        self._commit = commit
        self.name: str = listed.rfilename
        self.size_bytes = int(listed.size)
        # The client names a file in its cache by these, too.
        self._content: str = listed.lfs.sha256 if listed.lfs else listed.blob_id
        self.goal = blobs / self._content
        self._part = blobs / f"{self._content}.part"

    @property
    def arrived_bytes(self) -> int:
        """How much an earlier start left here."""
        return self._part.stat().st_size if self._part.is_file() else 0

    def fetch(self, meter: "_Meter") -> None:
        """Bring the rest of the file. Two servers that start together fetch it once."""
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._part}.lock"):
            if self.goal.exists():
                meter.update(self.size_bytes)
                return
            with self._part.open("ab") as opened:
                self._fetch_rest(opened, meter)
            self._check()
            os.replace(self._part, self.goal)

    def _fetch_rest(self, opened: BinaryIO, meter: "_Meter") -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        arrived_bytes = opened.tell()
        meter.update(arrived_bytes)
        http_get(
            hf_hub_url(self._model, self.name, revision=self._commit),
            opened,
            resume_size=arrived_bytes,
            headers=build_hf_headers(),
            expected_size=self.size_bytes,
            tqdm_class=meter.again,  # type: ignore[arg-type]
        )

    def _check(self) -> None:
        """Let go of a file whose parts don't make the whole that the hub announced."""
        if len(self._content) != _SHA256_DIGITS:
            return
        digest = hashlib.sha256()
        with self._part.open("rb") as opened:
            while block := opened.read(_BLOCK_BYTES):
                digest.update(block)
        if digest.hexdigest() != self._content:
            self._part.unlink()
            raise DownloadError(
                f"{self.name} arrived damaged (its SHA-256 is another); "
                "it is fetched anew at the next start"
            )


class _Meter:
    """Adds up the bytes of all files. Looks like tqdm, which is what the client writes to."""

    def __init__(self, stage: str, total_bytes: int, progress: Progress) -> None:
        self._stage = stage
        self._total_bytes = total_bytes
        self._progress = progress
        self._done_bytes = 0
        self.update(0)

    def again(self, **_settings: object) -> "_Meter":
        """Serve as the bar of one more file."""
        return self

    def update(self, bytes_more: float | None = 1) -> None:
        """Count what arrived; less than nothing when a server would not go on in the middle."""
        self._done_bytes += int(bytes_more or 0)
        self._progress(self._stage, self._done_bytes, self._total_bytes)

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _require_room(folder: Path, bytes_needed: int) -> None:
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    if bytes_needed > free_bytes:
        raise DownloadError(
            f"its weights take {bytes_needed / _GB:.1f} GB more and {free_bytes / _GB:.1f} GB "
            f"are free in {folder}: make room or set --cache-dir"
        )


def _explain(model: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return (
            f"its owner gives it only to those who accepted the terms at "
            f"https://huggingface.co/{model}: accept them, then set HF_TOKEN or run `hf auth login`"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            "the hub knows no such id, or it is private: check the spelling, "
            "or set HF_TOKEN or run `hf auth login`"
        )
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError) and error.errno and not isinstance(error, HfHubHTTPError):
        return f"it can't be written into the cache ({said}): make room or set --cache-dir"
    return f"the hub did not give it ({said}); what has arrived stays, the next start goes on"

"""Keeps the keys and values of profiles' beginnings on disk.

They take seconds to compute and never change while model and token ids stay the same, so a later start reads
them. Knows nothing of profiles or slots; whoever asks says which model it is.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from tidegate.server.engine.whole_file import write_whole

# Of each layer, keys and values of shape [kv_heads, length, head_dim].
Kept: TypeAlias = list[tuple[torch.Tensor, torch.Tensor]]

# Of all models and all versions of profiles together; what was not read for longest goes first.
_MOST_BYTES = 512_000_000

log = structlog.get_logger()


class PrefixFiles:
    """One file for each prefix of one model, in a folder that models share.

    `model` names everything that the numbers depend on beside the token ids. A folder that can't be written
    costs the next start the time of computing, nothing else.
    """

    def __init__(self, folder: Path, model: str, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._model = model
        self._most_bytes = most_bytes

    def read(self, tokens: Sequence[int]) -> Kept | None:
        """Return what was written for `tokens`; None when nothing usable is there."""
        file = self._file(tokens)
        try:
            found = load(file.read_bytes())
            file.touch()
            layers = len(found) // 2
            return [(found[f"keys.{i}"], found[f"values.{i}"]) for i in range(layers)] or None
        except (OSError, SafetensorError, KeyError):
            return None

    def write(self, tokens: Sequence[int], kept: Kept) -> None:
        """Remember; numbers that are not finite are not worth it."""
        if not all(keys.isfinite().all() and values.isfinite().all() for keys, values in kept):
            return
        tensors = {f"keys.{i}": keys for i, (keys, _) in enumerate(kept)}
        tensors |= {f"values.{i}": values for i, (_, values) in enumerate(kept)}
        content = save(tensors)
        try:
            self._make_room(len(content))
            write_whole(self._file(tokens), content)
        except OSError as error:
            log.warning("a prefix can't be kept", folder=str(self._folder), error=str(error))

    def _file(self, tokens: Sequence[int]) -> Path:
        key = hashlib.sha256(json.dumps([self._model, list(tokens)]).encode()).hexdigest()[:32]
        return self._folder / f"{key}.safetensors"

    def _make_room(self, size_bytes: int) -> None:
        files = [(file, file.stat()) for file in self._folder.glob("*.safetensors")]
        files.sort(key=lambda one: one[1].st_mtime)
        over = size_bytes + sum(stat.st_size for _, stat in files) - self._most_bytes
        for file, stat in files:
            if over <= 0:
                return
            file.unlink(missing_ok=True)
            over -= stat.st_size

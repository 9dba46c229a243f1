"""A model folder on disk: its configuration, and its weights one at a time.

Knows the safetensors layout (one file, or an index over several) and nothing of networks.
"""

import hashlib
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

# A block of a model of half a billion numbers, about.
_OPENING_BYTES = 32_000_000


class BrokenCheckpointError(Exception):
    """A file of the folder is missing, cut short or not what its name says."""


class Checkpoint:
    """The files of one model folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = self._weight_files()

    def fingerprint(self) -> str:
        """Return what changes when a file that decides answers is changed, without reading any."""
        files = [*self.files, self.folder / "config.json", self.folder / "tokenizer.json"]
        stats = [(path.name, path.stat()) for path in files if path.exists()]
        facts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def count_values(self) -> int:
        """Return how many numbers the weights are, from the files' headers alone."""
        return sum(
            math.prod(opened.get_slice(name).get_shape())
            for opened in map(_open, self.files)
            for name in opened.keys()  # noqa: SIM118 - not a dict
        )

    def config(self, name: str = "config.json") -> dict[str, Any]:
        """Return a JSON file of the folder; an absent generation_config.json is empty."""
        path = self.folder / name
        if name == "generation_config.json" and not path.exists():
            return {}
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BrokenCheckpointError(f"{path} can't be read: {error}") from error
        return content

    def weights(self, device: str = "cpu") -> dict[str, Callable[[], torch.Tensor]]:
        """Return a loader for each weight as it is stored; each call reads the weight anew.

        On a CPU a weight lies in the file's own pages: nothing is read before it is used.
        """
        loaders: dict[str, Callable[[], torch.Tensor]] = {}
        for path in self.files:
            file = _WeightFile(path)
            loaders |= {name: partial(file.read, name, device) for name in file.names()}
        return loaders

    def _weight_files(self) -> list[Path]:
        index = self.folder / "model.safetensors.index.json"
        if index.exists():
            names = sorted(set(self.config(index.name)["weight_map"].values()))
            files = [self.folder / name for name in names]
        else:
            files = [self.folder / "model.safetensors"]
        missing = [path.name for path in files if not path.exists()]
        if missing:
            raise BrokenCheckpointError(f"{self.folder} has no {', '.join(missing)}")
        return files


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise BrokenCheckpointError(
            f"{path} is cut short or no safetensors file ({error}); "
            "delete it and load the model again"
        ) from error


class _WeightFile:
    """One file of weights, opened anew after every so many bytes.

    All weights out of one opening stay resident until the last of them is freed, while opening for each weight
    costs a tenth of a second over a small model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = _open(path)
        self._read_bytes = 0

    def names(self) -> list[str]:
        return list(self._opened.keys())

    def read(self, name: str, device: str) -> torch.Tensor:
        if self._read_bytes > _OPENING_BYTES:
            self._opened = _open(self._path)
            self._read_bytes = 0
        tensor: torch.Tensor = self._opened.get_tensor(name)
        self._read_bytes += tensor.nbytes
        return tensor.to(device)

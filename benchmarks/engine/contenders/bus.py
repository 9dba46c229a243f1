"""The limit: reading as many bytes as the weights have once over the memory bus.

A token can't be written faster than the weights that it takes can be read.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from tidegate.server.engine.checkpoint import Checkpoint


class Contestant:
    """A block of memory of the weights' size in FP32, read by the fastest way we know."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        # The tied embedding is counted once: as the output head it is read whole.
        self._block = torch.ones(Checkpoint(Path(folder)).count_values())
        readers: list[Callable[[torch.Tensor], torch.Tensor]] = [torch.sum, torch.amax]
        self._read = min(readers, key=self._time)

    def decode_step(self, text: str, write: int) -> float:
        """Return the median seconds of one read of `write`; the text says nothing to a bus."""
        times = sorted(self._time(self._read) for _ in range(write))
        return times[len(times) // 2]

    def _time(self, read: Callable[[torch.Tensor], torch.Tensor]) -> float:
        began_s = time.perf_counter()
        float(read(self._block))
        return time.perf_counter() - began_s

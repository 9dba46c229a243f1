"""transformers' `pipeline`: a label is two generated tokens, as a user would write it."""

import time
from typing import Any

import torch
from transformers import pipeline

# Tried on the first ask; the fastest is used for all that follow.
_BATCH_SIZES = (1, 4, 16)
_LABEL_TOKENS = 2


class Contestant:
    """A text-generation pipeline in FP32, greedy, with the batch size that is best here."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        loaded: Any = pipeline("text-generation", model=folder, dtype=torch.float32)
        self._pipeline = loaded
        self._pipeline.tokenizer.padding_side = "left"
        # Not known before the first ask.
        self._batch_size = 0

    def prepare(self, system: str) -> None:
        """Find the batch size with which this machine labels fastest."""
        if self._batch_size == 0:
            texts = [system * 2] * max(_BATCH_SIZES)
            times = {size: self._time(texts, size) for size in _BATCH_SIZES}
            self._batch_size = min(times, key=times.__getitem__)

    def label(self, system: str, text: str) -> float:
        """Return the seconds that one label takes."""
        return self._time([system + text], 1)

    def labels(self, system: str, texts: list[str]) -> float:
        """Return the seconds that the labels of `texts` take, all known from the start."""
        return self._time([system + text for text in texts], self._batch_size)

    def _time(self, texts: list[str], batch_size: int) -> float:
        began_s = time.perf_counter()
        self._pipeline(
            texts,
            batch_size=batch_size,
            max_new_tokens=_LABEL_TOKENS,
            do_sample=False,
            return_full_text=False,
        )
        return time.perf_counter() - began_s

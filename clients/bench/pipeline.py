"""transformers' `pipeline`, as its documentation shows it: a label is a word that it writes.

    python -m tidegate.clients.bench.pipeline FOLDER THREADS

Started by the bench, never imported by the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import pipeline
from transformers.generation.streamers import BaseStreamer

from tidegate.clients.bench.pipe import serve
from tidegate.clients.bench.words import LABELS


class Pipeline:
    """A text-generation pipeline in FP32, greedy."""

    def __init__(self, folder: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        loaded: Any = pipeline("text-generation", model=folder, dtype=torch.float32)
        self._pipeline = loaded
        encode = loaded.tokenizer.encode
        self._label_tokens = max(len(encode(label, add_special_tokens=False)) for label in LABELS)

    def label(self, prompt: str, text: str) -> str:
        """Write as many tokens as the longest label has."""
        return str(self._write(prompt, self._label_tokens, None)[0]["generated_text"])

    def chat(self, prompt: str, tokens: int, on_first: Callable[[], None]) -> int:
        """Write at most `tokens` tokens, and return how many they are."""
        counter = _Counter(on_first)
        self._write(prompt, tokens, counter)
        return counter.written

    def _write(self, prompt: str, tokens: int, streamer: _Counter | None) -> Any:
        return self._pipeline(
            prompt,
            max_new_tokens=tokens,
            do_sample=False,
            repetition_penalty=1.0,
            return_full_text=False,
            streamer=streamer,
        )


class _Counter(BaseStreamer):
    """Counts what is written, and calls `on_first` with the first token."""

    def __init__(self, on_first: Callable[[], None]) -> None:
        self.written = -1
        self._on_first = on_first

    def put(self, value: Any) -> None:
        """Take the prompt first, then token after token."""
        self.written += 1
        if self.written == 1:
            self._on_first()

    def end(self) -> None:
        """Nothing is left to do."""


if __name__ == "__main__":
    serve(Pipeline)

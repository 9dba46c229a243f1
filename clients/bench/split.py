"""A split deployment: a classifier of BERT-base's size beside the chat model, in transformers.

    python -m tidegate.clients.bench.split FOLDER THREADS

The classifier's weights are random and made at the start: its labels mean nothing, its size and
its speed are those of a real one. Both models share one process, which is the thriftiest way.
Started by the bench, never imported by the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

from tidegate.clients.bench.pipe import serve
from tidegate.clients.bench.pipeline import Pipeline
from tidegate.clients.bench.words import LABELS

# That of bert-base-chinese; all other sizes of BERT-base are the defaults of BertConfig.
_VOCABULARY = 21_128
# [CLS] and [SEP] around a text, in which each character is a token.
_BORDERS = 2


class Split:
    """The two models."""

    def __init__(self, folder: str, threads: int) -> None:
        self._chat = Pipeline(folder, threads)
        # Two labels are the default.
        config = BertConfig(vocab_size=_VOCABULARY)
        classifier: Any = BertForSequenceClassification(config)
        self._classifier = classifier.eval()

    @torch.inference_mode()
    def label(self, prompt: str, text: str) -> str:
        """Run the classifier over as many tokens as `text` has for it; it needs no prompt."""
        tokens = torch.randint(_VOCABULARY, (1, len(text) + _BORDERS))
        return LABELS[int(self._classifier(tokens).logits[0].argmax())]

    def chat(self, prompt: str, tokens: int, on_first: Callable[[], None]) -> int:
        """Write at most `tokens` tokens, and return how many they are."""
        return self._chat.chat(prompt, tokens, on_first)


if __name__ == "__main__":
    serve(Split)

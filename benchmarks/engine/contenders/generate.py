"""transformers as its documentation shows it: `generate`, and the plain forward pass, eager."""

import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.engine.worker import peak_bytes


class Contestant:
    """The model in FP32 with fused attention (sdpa), under inference mode."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )

    @torch.inference_mode()
    def prefill(self, text: str) -> float:
        """Return the seconds of one forward pass over `text`, logits of the last token only."""
        ids = self._tokenizer([text], return_tensors="pt").input_ids
        began_s = time.perf_counter()
        int(self._model(ids, logits_to_keep=1).logits[0, -1].argmax())
        return time.perf_counter() - began_s

    @torch.inference_mode()
    def chats(self, texts: list[str], write: int) -> float:
        """Return the seconds in which one batch writes `write` tokens a text, greedily."""
        inputs = self._tokenizer(texts, return_tensors="pt", padding=True)
        began_s = time.perf_counter()
        tokens = self._model.generate(**inputs, max_new_tokens=write, do_sample=False)
        seconds = time.perf_counter() - began_s
        written = tokens.shape[1] - inputs.input_ids.shape[1]
        if written != write:
            raise ValueError(f"{written} tokens were written, not {write}")
        return seconds

    def label(self, system: str, text: str) -> float:
        """Return the seconds of a label by writing two tokens; for the memory it takes."""
        return self.chats([system + text], 2)

    def peak_bytes(self) -> int:
        """Return the most memory that this process has had resident."""
        return peak_bytes()

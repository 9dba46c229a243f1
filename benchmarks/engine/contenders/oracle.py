"""What the label scores of a text must be, by transformers and arithmetic of our own."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.engine.chatml import profile, sentiment_prompt


class Contestant:
    """The plain model in FP32."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def scores(self, text: str) -> dict[str, float]:
        """Return each label's calibrated probability by the built-in sentiment profile."""
        said = profile("sentiment")
        words = [self._tokenizer(label).input_ids[0] for label in said["labels"]]
        neutral = torch.stack([self._logits(one, words) for one in said["calibration"]]).mean(0)
        scores = (self._logits(text, words) - neutral).div(said.get("temperature", 1.0)).softmax(0)
        return dict(zip(said["labels"], scores.tolist(), strict=True))

    @torch.inference_mode()
    def _logits(self, text: str, words: list[int]) -> torch.Tensor:
        inputs = self._tokenizer([sentiment_prompt(text)], return_tensors="pt")
        logits: torch.Tensor = self._model(**inputs, logits_to_keep=1).logits
        return logits[0, -1, words].double()

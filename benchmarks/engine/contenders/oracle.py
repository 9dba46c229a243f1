"""What the label scores of a text must be, by transformers and arithmetic of our own."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.engine.prompts import Prompts


class Contestant:
    """The plain model in FP32."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._prompts = Prompts(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def scores(self, text: str) -> dict[str, float]:
        """Return each label's calibrated probability by the built-in sentiment profile."""
        profile = self._prompts.sentiment
        neutral = torch.stack([self._logits(one) for one in profile.calibration]).mean(0)
        scores = (self._logits(text) - neutral).div(profile.temperature).softmax(0)
        names = [label.name for label in profile.labels]
        return dict(zip(names, scores.tolist(), strict=True))

    @torch.inference_mode()
    def _logits(self, text: str) -> torch.Tensor:
        ids = torch.tensor([self._prompts.of("sentiment", text)])
        logits: torch.Tensor = self._model(ids, logits_to_keep=1).logits
        return logits[0, -1, self._prompts.labels()].double()

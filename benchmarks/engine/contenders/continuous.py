"""transformers' continuous batching, with fused attention, on the CPU."""

import time
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    ContinuousBatchingConfig,
    GenerationConfig,
)


class Contestant:
    """The model in FP32 behind a manager that lives as long as this object."""

    def __init__(self, folder: str, threads: int, chats: int, context_tokens: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )
        # Pages of 32 tokens: with the default of 256, short chats would pay for empty room.
        self._sizes = ContinuousBatchingConfig(
            page_size=32,
            num_blocks=chats * context_tokens // 32,
            max_batch_tokens=chats * 32,
            max_requests_per_batch=chats,
        )

    def chats(self, texts: list[str], write: int) -> float:
        """Return the seconds in which the chats write `write` tokens each, greedily."""
        prompts = self._tokenizer(texts).input_ids
        greedy = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False, max_new_tokens=write, eos_token_id=-1
        )
        began_s = time.perf_counter()
        answers = self._model.generate_batch(
            prompts,
            generation_config=greedy,
            continuous_batching_config=self._sizes,
            persistent_manager=True,
        )
        seconds = time.perf_counter() - began_s
        written = sum(len(answer.generated_tokens) for answer in answers.values())
        if written != write * len(texts):
            raise ValueError(f"{written} tokens were written, not {write} by each of {len(texts)}")
        return seconds

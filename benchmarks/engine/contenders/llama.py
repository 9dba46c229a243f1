"""llama.cpp in FP32, by its own batching of several sequences, through llama-cpp-python."""

import time
from pathlib import Path

import llama_cpp
import numpy as np
from tokenizers import Tokenizer

from benchmarks.engine.gguf_file import gguf_file


class Contestant:
    """One context with room for `chats` sequences, all decoded in one batch a step."""

    def __init__(self, folder: str, threads: int, chats: int, context_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        llama_cpp.llama_backend_init()
        path = str(gguf_file(Path(folder))).encode()
        self._model = llama_cpp.llama_model_load_from_file(
            path, llama_cpp.llama_model_default_params()
        )
        sizes = llama_cpp.llama_context_default_params()
        sizes.n_ctx = chats * context_tokens
        sizes.n_batch = sizes.n_ubatch = 2048
        sizes.n_seq_max = chats
        sizes.n_threads = sizes.n_threads_batch = threads
        # Weights and cache are FP32 on both sides.
        sizes.type_k = sizes.type_v = llama_cpp.GGML_TYPE_F32
        self._context = llama_cpp.llama_init_from_model(self._model, sizes)
        if not self._context:
            raise RuntimeError("llama.cpp could not make its context")
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._batch = llama_cpp.llama_batch_init(2048, 0, 1)

    def prefill(self, text: str) -> float:
        """Return the seconds to the first token of a reply."""
        return self.chats([text], 1)

    def chats(self, texts: list[str], write: int) -> float:
        """Return the seconds in which the chats write `write` tokens each, greedily."""
        prompts = [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        began_s = time.perf_counter()
        tokens, positions = prompts, [0] * len(prompts)
        for _ in range(write):
            chosen = self._step(tokens, positions)
            positions = [at + len(row) for at, row in zip(positions, tokens, strict=True)]
            tokens = [[token] for token in chosen]
        return time.perf_counter() - began_s

    def _step(self, tokens: list[list[int]], positions: list[int]) -> list[int]:
        """Decode one batch; return the likeliest next token of each sequence."""
        count = 0
        ends = []
        for sequence, (row, start) in enumerate(zip(tokens, positions, strict=True)):
            for offset, token in enumerate(row):
                self._batch.token[count] = token
                self._batch.pos[count] = start + offset
                self._batch.n_seq_id[count] = 1
                self._batch.seq_id[count][0] = sequence
                self._batch.logits[count] = offset == len(row) - 1
                count += 1
            ends.append(count - 1)
        self._batch.n_tokens = count
        if llama_cpp.llama_decode(self._context, self._batch) != 0:
            raise RuntimeError("llama.cpp could not decode the batch")
        return [int(np.argmax(self._logits(end))) for end in ends]

    def _logits(self, end: int) -> np.ndarray:
        pointer = llama_cpp.llama_get_logits_ith(self._context, end)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary,))

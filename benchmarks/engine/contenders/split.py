"""A split deployment: a BERT-base-sized classifier beside the chat model, both in transformers."""

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForSequenceClassification,
)

from benchmarks.engine.prompts import Prompts
from benchmarks.engine.worker import peak_bytes

# bert-base-chinese's vocabulary; the other sizes of BERT-base are the class's defaults.
_BERT_VOCABULARY = 21_128
# [CLS] and [SEP].
_BERT_BORDERS = 2


class Contestant:
    """Two models in one process, which is the thriftiest way to run both."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._prompts = Prompts(folder)
        self._chat: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )
        config = BertConfig(vocab_size=_BERT_VOCABULARY)
        classifier: Any = BertForSequenceClassification(config)
        self._classifier = classifier.eval()

    @torch.inference_mode()
    def judge_and_reply(self, text: str, write: int) -> int:
        """Label `text`, then reply to it; return the tokens that went through either model."""
        judged = torch.randint(_BERT_VOCABULARY, (1, len(text) + _BERT_BORDERS))
        self._classifier(judged)
        prompt = torch.tensor([self._prompts.of("chat", text)])
        written = self._chat.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=write,
            do_sample=False,
        )
        # The last token that is written is never computed on.
        return int(judged.numel() + written.numel() - 1)

    def peak_bytes(self) -> int:
        """Return the most memory that this process has had resident."""
        return peak_bytes()

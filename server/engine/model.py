"""A decoder with its slots: runs batches, and turns states into labels and tokens."""

from contextlib import AbstractContextManager, nullcontext

import torch

from tidegate.server.engine.batch import Batch, Logits, NotFinite, Result, Row, Token
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.sampling import choose
from tidegate.server.engine.sequence import Label, Write
from tidegate.server.engine.slab import Slab


class TorchModel:
    """The model of `batch.Model` on torch. One thread calls it."""

    def __init__(
        self, decoder: Decoder, slots: int, context_tokens: int, device: str = "cpu"
    ) -> None:
        shape = decoder.shape
        self._decoder = decoder
        # Under it, tensors are made where the weights are; nothing to do, and not free, on a CPU.
        self._place: AbstractContextManager[object] = (
            nullcontext() if device == "cpu" else torch.device(device)
        )
        with self._place:
            self._slab = Slab(
                len(shape.layers),
                slots,
                shape.kv_heads,
                context_tokens,
                shape.head_dim,
                decoder.dtype,
            )

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens with which the model ends a reply."""
        return self._decoder.shape.end_tokens

    @torch.inference_mode()
    def run(self, batch: Batch) -> list[Result]:
        """Compute a step; see `batch.Model`."""
        for recall in batch.recalls:
            self._slab.recall(recall.prefix_id, recall.slot)
        with self._place:
            hidden = self._decoder.hidden(batch.rows, self._slab)
        # The head is the dearest product of a step: only rows that write go through it.
        writing = [i for i, row in enumerate(batch.rows) if isinstance(row.aim, Write)]
        logits = (
            dict(zip(writing, self._decoder.logits(hidden[writing]).cpu(), strict=True))
            if writing
            else {}
        )
        return [self._result(row, hidden[i], logits.get(i)) for i, row in enumerate(batch.rows)]

    def keep(self, slot: int, length: int, prefix_id: int) -> None:
        """Copy the first `length` positions of a slot under `prefix_id`."""
        self._slab.keep(slot, length, prefix_id)

    def forget(self, prefix_id: int) -> None:
        """Let go of what `keep` copied."""
        self._slab.forget(prefix_id)

    def _result(self, row: Row, hidden: torch.Tensor, logits: torch.Tensor | None) -> Result:
        if isinstance(row.aim, Label):
            scores = self._decoder.label_logits(hidden, row.aim.tokens)
            return Logits(tuple(scores.tolist())) if scores.isfinite().all() else NotFinite()
        if isinstance(row.aim, Write) and logits is not None:
            # One number is enough to see a NaN, and infinity can't win against one silently.
            if not logits.max().isfinite():
                return NotFinite()
            return Token(choose(logits, row.aim, row.written))
        return None

"""A decoder with its slots: runs batches, and turns states into labels and tokens."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from tidegate.server.engine.batch import Ask, Batch, Logits, NotFinite, Result, Row, Token
from tidegate.server.engine.decoder import Decoder
from tidegate.server.engine.prefix_files import PrefixFiles
from tidegate.server.engine.sampling import choose_all
from tidegate.server.engine.sequence import Write
from tidegate.server.engine.slab import Slab


class TorchModel:
    """The model of `batch.Model` on torch. One thread calls it."""

    def __init__(
        self,
        decoder: Decoder,
        slots: int,
        context_tokens: int,
        device: str = "cpu",
        files: PrefixFiles | None = None,
    ) -> None:
        """`files` is where kept prefixes are found again by a later run; None: nowhere."""
        shape = decoder.shape
        self._decoder = decoder
        self._files = files
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
        tokens = self._write([batch.rows[i] for i in writing], hidden[writing]) if writing else []
        results = [self._label(row, hidden[i]) for i, row in enumerate(batch.rows)]
        for i, token in zip(writing, tokens, strict=True):
            results[i] = NotFinite() if token is None else Token(token)
        return results

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        """Copy what a slot begins with, that of `tokens`, under `prefix_id`, and into a file."""
        self._slab.keep(slot, len(tokens), prefix_id)
        if self._files is not None:
            self._files.write(tokens, self._slab.kept(prefix_id))

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        """Put under `prefix_id` what a file has of `tokens`; return whether there is one."""
        kept = None if self._files is None else self._files.read(tokens)
        if kept is None:
            return False
        self._slab.put(kept, prefix_id)
        return True

    def forget(self, prefix_id: int) -> None:
        """Let go of what `keep` or `restore` put there."""
        self._slab.forget(prefix_id)

    def _write(self, rows: Sequence[Row], hidden: torch.Tensor) -> list[int | None]:
        replies = [(row.aim, row.written) for row in rows if isinstance(row.aim, Write)]
        return choose_all(self._decoder.logits(hidden).cpu(), replies)

    def _label(self, row: Row, hidden: torch.Tensor) -> Result:
        if not isinstance(row.aim, Ask):
            return None
        scores = self._decoder.label_logits(hidden, row.aim.tokens)
        return Logits(tuple(scores.tolist())) if scores.isfinite().all() else NotFinite()

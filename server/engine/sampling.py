"""Choosing the next tokens of replies from their logits.

A token depends on the logits, the sampling, the seed and its place in the reply, on nothing
else: not on the batch, not on earlier draws of other replies.
"""

from collections.abc import Sequence

import torch

from tidegate.server.engine.sequence import Write

# Any odd constant that spreads places over the seeds; this is 2^64 divided by the golden ratio.
_SPREAD = 0x9E3779B97F4A7C15


def choose_all(
    logits: torch.Tensor, replies: Sequence[tuple[Write, Sequence[int]]]
) -> list[int | None]:
    """Return the next token of each reply, given as its aim and what it wrote so far.

    `logits` has the shape [replies, vocabulary]. None where they are not finite.
    """
    # One number is enough to see a NaN, and infinity can't win against one silently.
    finite = logits.amax(dim=-1).isfinite().tolist()
    return [
        choose(row, *reply) if is_finite else None
        for row, is_finite, reply in zip(logits, finite, replies, strict=True)
    ]


def choose(logits: torch.Tensor, write: Write, written: Sequence[int]) -> int:
    """Return the id of the next token, for `logits` of shape [vocabulary]."""
    sampling = write.sampling
    if sampling.repetition_penalty != 1.0 and written:
        logits = _penalised(logits, written, sampling.repetition_penalty)
    if sampling.temperature == 0:
        return int(logits.argmax())
    generator = torch.Generator()
    generator.manual_seed((write.seed + len(written) * _SPREAD) % 2**64)
    return _draw((logits / sampling.temperature).softmax(0), sampling.top_p, generator)


def _penalised(logits: torch.Tensor, written: Sequence[int], penalty: float) -> torch.Tensor:
    """Make what the reply has used less likely (arXiv 1909.05858, section 4.1).

    Only the reply's own tokens count: the examples of a few-shot prompt repeat their line ends
    on purpose, and a reply must be able to end as they do.
    """
    used = torch.tensor(sorted(set(written)))
    chosen = logits[used]
    logits = logits.clone()
    logits[used] = torch.where(chosen > 0, chosen / penalty, chosen * penalty)
    return logits


def _draw(probabilities: torch.Tensor, top_p: float, generator: torch.Generator) -> int:
    """Draw a token from the nucleus: the likeliest tokens that together reach `top_p`.

    By rejection, so that a vocabulary of 262,144 is never sorted: a token is in when those
    likelier than it have not reached `top_p`. One that is out takes all that are no likelier
    out with it, so a few draws do, however narrow the nucleus is.
    """
    within = probabilities
    while True:
        reached = within.cumsum(0)
        at = torch.rand(1, generator=generator) * reached[-1]
        token = min(int(torch.searchsorted(reached, at, right=True)), len(reached) - 1)
        within = probabilities * (probabilities > probabilities[token])
        if probabilities[token] > 0 and within.sum() < top_p:
            return token

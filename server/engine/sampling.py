"""Choosing the next token of a reply from its logits.

A token depends on the logits, the sampling, the seed and its place in the reply, on nothing
else: not on the batch, not on earlier draws of other replies.
"""

from collections.abc import Sequence

import torch

from tidegate.server.engine.sequence import Write

# Candidates looked at before falling back to the whole vocabulary: sorting 262,144 logits costs
# more than a layer of the model, and a nucleus rarely holds more than a few hundred tokens.
_CANDIDATES = 1024
# Any odd constant that spreads places over the seeds; this is 2^64 divided by the golden ratio.
_SPREAD = 0x9E3779B97F4A7C15


def choose(logits: torch.Tensor, write: Write, written: Sequence[int]) -> int:
    """Return the id of the next token, for `logits` of shape [vocabulary]."""
    sampling = write.sampling
    if sampling.repetition_penalty != 1.0 and written:
        logits = _penalised(logits, written, sampling.repetition_penalty)
    if sampling.temperature == 0:
        return int(logits.argmax())
    probabilities, tokens = _nucleus(logits / sampling.temperature, sampling.top_p)
    generator = torch.Generator()
    generator.manual_seed((write.seed + len(written) * _SPREAD) % 2**64)
    return int(tokens[torch.multinomial(probabilities, 1, generator=generator)])


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


def _nucleus(logits: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the likeliest tokens that together reach `top_p`, with their probabilities."""
    total = logits.logsumexp(0)
    for count in (min(_CANDIDATES, len(logits)), len(logits)):
        best, tokens = logits.topk(count)
        probabilities = (best - total).exp()
        reached = probabilities.cumsum(0)
        if reached[-1] >= top_p:
            break
    # A token is in when those before it have not reached top_p; the first is always in.
    inside = reached - probabilities < top_p
    return probabilities[inside], tokens[inside]

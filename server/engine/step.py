"""How much of which sequence goes through the model in one step.

Labels first, then the next token of every reply that is being written, then prompts of new replies, in chunks; never more of prompts
than the budget, which bounds the step's time. Long prompts read a part of it where short labels are; long labels leave half of it where
short ones may come meanwhile, or long prompts of replies wait. Pure; knows nothing of slots.
"""

from collections.abc import Iterable

from tidegate.server.engine.sequence import Held, Sequence, Write

FIRST_COME = 0.25
"""Part of the budget that is for long prompts where short labels are, and for the short label that came first."""
LEFT = 0.5
"""Part of what is for long prompts that long labels leave: to replies, or to nobody, for a short label that comes waits for the step."""

Share = tuple[Sequence, int]
"""A sequence, and how many of its tokens."""


def step(running: Iterable[Sequence], budget: int, *, labels_come: bool) -> list[Share]:
    """The shares of the next step, which reads `budget` tokens of prompts. `labels_come`: short labels are likely to come meanwhile."""
    running = tuple(running)
    labels = [each for each in running if not isinstance(each.aim, Write | Held)]
    replies = [each for each in running if isinstance(each.aim, Write)]
    next_tokens = [(each, 1) for each in replies if each.written]
    prompts = [each for each in replies if not (each.written or each.is_long)]
    long_prompts = [each for each in replies if each.is_long and not each.written]
    short = [each for each in labels if not each.is_long]
    long = [each for each in labels if each.is_long]
    if short:
        # Long ones read no more than that, whatever is left: it keeps the step short.
        part = int(budget * FIRST_COME)
        for_long = part if long or long_prompts else 0
        of_short = _read_short(short, prompts, budget - for_long, part)
        of_long = _read_long(long, long_prompts, for_long, leaves_some=False)
        return [*of_short, *next_tokens, *of_long]
    read = _read(prompts, budget)
    left = budget - sum(count for _, count in read)
    return [*next_tokens, *read, *_read_long(long, long_prompts, left, leaves_some=labels_come)]


def _read_short(
    labels: list[Sequence], prompts: list[Sequence], budget: int, for_first: int
) -> list[Share]:
    """Short labels, the shortest first, then prompts; the label that came first reads at least `for_first`."""
    by_length = sorted(labels, key=_pending)
    first = labels[0]
    if first is by_length[0] or first.pending <= for_first:
        return _read(by_length + prompts, budget)
    by_length.remove(first)
    return [(first, for_first), *_read(by_length + prompts, budget - for_first)]


def _read_long(
    labels: list[Sequence], prompts: list[Sequence], budget: int, *, leaves_some: bool
) -> list[Share]:
    """Long labels, then long prompts of replies, for which there is something in any case."""
    for_labels = budget - int(budget * LEFT) if prompts or leaves_some else budget
    read = _read(labels, for_labels)
    return read + _read(prompts, budget - sum(count for _, count in read))


def _read(prompts: Iterable[Sequence], budget: int) -> list[Share]:
    """Prompts in their order, as far as the budget goes."""
    # A prompt that a little more would end is read to its end: the rest would cost a step.
    slack = budget // 2
    shares = []
    for each in prompts:
        if budget <= 0:
            break
        chunk = each.pending if each.pending <= budget + slack else budget
        budget -= chunk
        shares.append((each, chunk))
    return shares


def _pending(sequence: Sequence) -> int:
    return sequence.pending

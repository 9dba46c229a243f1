"""Which sequences hold a slot, and what each of them computes in the next step.

Labels go first: they enter and finish in a step or two, so a label never waits behind a whole
chat. Then every running reply gets its next token, then prompts of new replies are read in
chunks. A step never computes more than `budget_tokens` of prompts, which bounds its time.
Knows nothing of torch, threads or clocks.
"""

from collections import deque

from tidegate.server.engine.batch import Batch, Recall, Row
from tidegate.server.engine.prefixes import Prefixes
from tidegate.server.engine.sequence import Keep, Label, Sequence, Write


class Scheduler:
    """The waiting and the running sequences of one engine.

    `reserved` of the `slots` are never given to a reply, so that labels always find one.
    """

    def __init__(self, slots: int, reserved: int, budget_tokens: int, prefixes: Prefixes) -> None:
        self.slots = slots
        self.reserved = reserved
        self.budget_tokens = budget_tokens
        self.prefixes = prefixes
        self.waiting_labels: deque[Sequence] = deque()
        self.waiting_replies: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        # Lowest first: rows stay close together in memory.
        self._free = list(range(slots))

    def __repr__(self) -> str:
        return f"<Scheduler {len(self.running)} running, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """Sequences without a slot."""
        return len(self.waiting_labels) + len(self.waiting_replies)

    @property
    def free_slots(self) -> int:
        """Slots that nobody holds."""
        return len(self._free)

    def sequences(self) -> list[Sequence]:
        """Return all that has not ended, running first."""
        return [*self.running, *self.waiting_labels, *self.waiting_replies]

    def add(self, sequence: Sequence) -> None:
        """Take a sequence in; it waits for a slot."""
        self._queue_of(sequence).append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Let a sequence go, wherever it stands; its slot is free at once."""
        if sequence.slot is None:
            self._queue_of(sequence).remove(sequence)
            return
        self.running.remove(sequence)
        self._free.append(sequence.slot)
        self._free.sort()
        sequence.slot = None

    def schedule(self) -> Batch:
        """Give out free slots, then plan the next step. An empty batch means nothing to do."""
        recalls = self._admit()
        rows: dict[int, Row] = {}
        budget = self.budget_tokens
        labels = [s for s in self.running if not isinstance(s.aim, Write)]
        replies = [s for s in self.running if isinstance(s.aim, Write)]
        for sequence in labels + replies:
            if isinstance(sequence.aim, Write) and sequence.written:
                rows[sequence.id] = _row(sequence, 1)
            elif budget > 0:
                chunk = min(sequence.pending, budget)
                budget -= chunk
                rows[sequence.id] = _row(sequence, chunk)
        return Batch(tuple(recalls), tuple(rows.values()))

    def planned(self, batch: Batch) -> list[Sequence]:
        """Return the running sequences that the rows of `batch` belong to, in their order."""
        by_slot = {sequence.slot: sequence for sequence in self.running}
        return [by_slot[row.slot] for row in batch.rows]

    def _admit(self) -> list[Recall]:
        recalls = []
        while self._free and self.waiting:
            if self.waiting_labels:
                sequence = self.waiting_labels.popleft()
            elif len(self._free) > self.reserved:
                sequence = self.waiting_replies.popleft()
            else:
                break
            sequence.slot = self._free.pop(0)
            self.running.append(sequence)
            prefix = self.prefixes.longest(sequence.tokens)
            if prefix is not None:
                sequence.computed = sequence.cached = len(prefix.tokens)
                recalls.append(Recall(prefix.id, sequence.slot))
        return recalls

    def _queue_of(self, sequence: Sequence) -> deque[Sequence]:
        return self.waiting_replies if isinstance(sequence.aim, Write) else self.waiting_labels


def _row(sequence: Sequence, count: int) -> Row:
    start = sequence.computed
    complete = count == sequence.pending
    aim = sequence.aim if complete and not isinstance(sequence.aim, Keep) else None
    written = tuple(sequence.written) if isinstance(aim, Write) else ()
    if sequence.slot is None:
        raise ValueError(f"sequence {sequence.id} has no slot")
    assert isinstance(aim, Label | Write | None)  # noqa: S101 - narrows the type only
    return Row(sequence.slot, start, tuple(sequence.tokens[start : start + count]), aim, written)

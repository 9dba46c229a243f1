"""Which sequences hold a slot, and what each of them computes in the next step.

Labels go first: they enter and finish in a step or two, so a label never waits behind a whole
chat. Then every running reply gets its next token, then prompts of new replies are read in
chunks. A step never computes more than `budget_tokens` of prompts, which bounds its time.
Knows nothing of torch, threads or clocks.
"""

from collections import deque

from typing_extensions import assert_never

from tidegate.server.engine.batch import Batch, Recall, Row
from tidegate.server.engine.prefixes import Prefix, Prefixes
from tidegate.server.engine.sequence import Held, Judge, Keep, Label, Sequence, Write


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
        self._recalls: list[Recall] = []
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

    def go_on(self, sequence: Sequence, tokens: list[int]) -> None:
        """Let a held sequence become another prompt, from what its slot or a prefix has of it."""
        prefix = self.prefixes.longest(tokens)
        if sequence.go_on_as(tokens, len(prefix.tokens) if prefix else 0) and prefix:
            self._recall(prefix, sequence)

    def schedule(self) -> Batch:
        """Give out free slots, then plan the next step. An empty batch means nothing to do."""
        self._admit()
        recalls, self._recalls = self._recalls, []
        rows: list[Row] = []
        budget = self.budget_tokens
        labels = [s for s in self.running if not isinstance(s.aim, Write | Held)]
        replies = [s for s in self.running if isinstance(s.aim, Write)]
        for sequence in labels + replies:
            if isinstance(sequence.aim, Write) and sequence.written:
                rows.append(_row(sequence, 1))
            elif budget > 0:
                chunk = min(sequence.pending, budget)
                budget -= chunk
                rows.append(_row(sequence, chunk))
        return Batch(tuple(recalls), tuple(rows))

    def planned(self, batch: Batch) -> list[Sequence]:
        """Return the running sequences that the rows of `batch` belong to, in their order."""
        by_slot = {sequence.slot: sequence for sequence in self.running}
        return [by_slot[row.slot] for row in batch.rows]

    def _admit(self) -> None:
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
                self._recall(prefix, sequence)

    def _recall(self, prefix: Prefix, sequence: Sequence) -> None:
        self._recalls.append(Recall(prefix.id, _slot(sequence)))

    def _queue_of(self, sequence: Sequence) -> deque[Sequence]:
        # What will hold its slot for a whole reply waits with the replies.
        is_reply = isinstance(sequence.aim, Write | Judge)
        return self.waiting_replies if is_reply else self.waiting_labels


def _row(sequence: Sequence, count: int) -> Row:
    start = sequence.computed
    aim: Label | Write | None = None
    if count == sequence.pending:
        match sequence.aim:
            case Label() | Write():
                aim = sequence.aim
            case Judge(labels):
                aim = Label(labels)
            case Keep() | Held():
                aim = None
            case _:
                assert_never(sequence.aim)
    written = tuple(sequence.written) if isinstance(aim, Write) else ()
    chunk = tuple(sequence.tokens[start : start + count])
    return Row(_slot(sequence), start, chunk, aim, written)


def _slot(sequence: Sequence) -> int:
    if sequence.slot is None:
        raise ValueError(f"sequence {sequence.id} has no slot")
    return sequence.slot

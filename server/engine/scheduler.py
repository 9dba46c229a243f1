"""Which sequences hold a slot, and with it a part in the next step.

Labels go first: they enter and finish in a step or two, so a label never waits behind a whole chat. Long texts and items of
streams don't keep other labels waiting: where such wait, one slot is for them, so that those end as well. Knows nothing of
torch, threads or clocks.
"""

import math
from collections import deque
from collections.abc import Callable

from typing_extensions import assert_never

from tidegate.server.engine.batch import Ask, Batch, Recall, Row
from tidegate.server.engine.pace import Pace
from tidegate.server.engine.prefixes import Prefix, Prefixes
from tidegate.server.engine.sequence import Held, Judge, Keep, Label, Sequence, Write
from tidegate.server.engine.slots import Place, Slots
from tidegate.server.engine.step import step

LONG_TOKENS = 256
"""A prompt of which more than so many tokens have to be read is long; of usual labels a tenth of that is, and of usual chats a part."""
LATELY_STEPS = 16
"""For so many steps after a label that went before others, room is kept for the next one: a second or two."""


class Scheduler:
    """The waiting and the running sequences of one engine."""

    def __init__(self, slots: Slots, prefixes: Prefixes, pace: Pace) -> None:
        self.slots = slots
        self.prefixes = prefixes
        self.pace = pace
        self.waiting_labels: deque[Sequence] = deque()
        # Long ones, and items of streams.
        self.waiting_bulk: deque[Sequence] = deque()
        self.waiting_replies: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._recalls: list[Recall] = []
        self._steps_without = LATELY_STEPS

    def __repr__(self) -> str:
        return f"<Scheduler {len(self.running)} running, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """Sequences without a slot."""
        return len(self.waiting_labels) + len(self.waiting_bulk) + len(self.waiting_replies)

    def add(self, sequence: Sequence) -> None:
        """Take a sequence in; it waits for a slot."""
        if isinstance(sequence.aim, Label):
            prefix = self.prefixes.longest(sequence.tokens)
            kept = len(prefix.tokens) if prefix else 0
            sequence.is_long = len(sequence.tokens) - kept > LONG_TOKENS
        self._queue_of(sequence).append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Let a sequence go, wherever it stands; its slot is free at once, and remembers it."""
        self._remove(sequence, sequence.tokens[: sequence.computed])

    def discard(self, sequence: Sequence) -> None:
        """Let a sequence go whose keys and values are not to be trusted."""
        self._remove(sequence, [])

    def go_on(self, sequence: Sequence, tokens: list[int]) -> None:
        """Let a held sequence become another prompt, from what its slot or a prefix has of it."""
        prefix = self.prefixes.longest(tokens)
        if sequence.go_on_as(tokens, len(prefix.tokens) if prefix else 0) and prefix:
            self._recall(prefix, sequence)

    def schedule(self) -> Batch:
        """Give out free slots, then plan the next step. An empty batch means nothing to do."""
        self._admit()
        recalls, self._recalls = self._recalls, []
        written = sum(1 for each in self.running if isinstance(each.aim, Write) and each.written)
        budget = self.pace.prompt_tokens(written)
        rows = [
            _row(sequence, count)
            for sequence, count in step(self.running, budget, labels_come=self._labels_come)
        ]
        has_any = any(isinstance(s.aim, Label) and not s.gives_way for s in self.running)
        self._steps_without = 0 if has_any else self._steps_without + 1
        return Batch(tuple(recalls), tuple(rows))

    def planned(self, batch: Batch) -> list[Sequence]:
        """Return the running sequences that the rows of `batch` belong to, in their order."""
        by_slot = {sequence.slot: sequence for sequence in self.running}
        return [by_slot[row.slot] for row in batch.rows]

    def _admit(self) -> None:
        self._let_in_bulk(1)
        self._let_in(self.waiting_labels, self.slots.for_label)
        if not self.waiting_labels and self.waiting_bulk:
            self._let_in_bulk(self._room_for(self.waiting_bulk[0]))
        self._let_in(self.waiting_replies, self.slots.for_reply)

    def _room_for(self, bulk: Sequence) -> int:
        """How many labels that give way may hold a slot while no other one waits."""
        labels = self.slots.labels
        if self._labels_come:
            # Of long ones a step reads one anyway, nearly.
            return 1 if bulk.is_long else labels // 2
        # Another label that comes now finds a free slot, or one that an item leaves after this step.
        return labels - 1 if bulk.is_long else labels

    @property
    def _labels_come(self) -> bool:
        return self._steps_without < LATELY_STEPS

    def _let_in_bulk(self, most: int) -> None:
        """Have so many of the labels that give way hold a slot at most."""
        has_slot = sum(isinstance(each.aim, Label) and each.gives_way for each in self.running)
        self._let_in(self.waiting_bulk, self.slots.for_label, most - has_slot)

    def _let_in(
        self,
        waiting: deque[Sequence],
        take: Callable[[list[int], int], Place | None],
        most: float = math.inf,
    ) -> None:
        """Give slots to those that wait, at most to so many, as long as there are any."""
        while waiting and most > 0:
            prefix = self.prefixes.longest(waiting[0].tokens)
            kept = len(prefix.tokens) if prefix else 0
            place = take(waiting[0].tokens, kept)
            if place is None:
                break
            self._enter(waiting.popleft(), place, prefix if place.held < kept else None)
            most -= 1

    def _enter(self, sequence: Sequence, place: Place, prefix: Prefix | None) -> None:
        self.running.append(sequence)
        sequence.slot = place.slot
        sequence.computed = len(prefix.tokens) if prefix else place.held
        sequence.cached = min(sequence.computed, sequence.prompt_tokens)
        if isinstance(sequence.aim, Write | Judge):
            sequence.is_long = sequence.pending > LONG_TOKENS
        if prefix is not None:
            self._recall(prefix, sequence)

    def _remove(self, sequence: Sequence, held: list[int]) -> None:
        if sequence.slot is None:
            self._queue_of(sequence).remove(sequence)
            return
        self.running.remove(sequence)
        # What was to be copied into the slot isn't there, and is not for who comes next.
        if any(recall.slot == sequence.slot for recall in self._recalls):
            self._recalls = [one for one in self._recalls if one.slot != sequence.slot]
            held = []
        self.slots.give_back(sequence.slot, held)
        sequence.slot = None

    def _recall(self, prefix: Prefix, sequence: Sequence) -> None:
        self._recalls.append(Recall(prefix.id, _slot(sequence)))

    def _queue_of(self, sequence: Sequence) -> deque[Sequence]:
        # What will hold its slot for a whole reply waits with the replies.
        is_reply = isinstance(sequence.aim, Write | Judge)
        if is_reply:
            return self.waiting_replies
        return self.waiting_bulk if sequence.gives_way else self.waiting_labels


def _row(sequence: Sequence, count: int) -> Row:
    start = sequence.computed
    aim: Ask | Write | None = None
    if count == sequence.pending:
        match sequence.aim:
            case Write():
                aim = sequence.aim
            case Label() | Judge():
                aim = Ask(sequence.walk.choices) if sequence.walk else None
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

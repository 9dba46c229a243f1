"""Remembers the turns of one conversation, within the length that a call may carry.

Knows nothing about calls or terminals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from tidegate.clients.inputs import Speaker, Turn

# Below the server's default limit of 32,768 characters for all turns together.
LONGEST_CHARACTERS = 32_000


@dataclass(slots=True)
class Conversation:
    """The turns so far, user and assistant by turns, and the name under which calls find the
    instance that remembers them.
    """

    conversation_id: str = field(default_factory=lambda: uuid4().hex)
    _turns: list[Turn] = field(default_factory=list)

    def with_question(self, text: str) -> tuple[Turn, ...]:
        """The turns to send for a question. Nothing is remembered before it is answered.

        The oldest pairs are left out when all would be too long; the question never is.
        """
        question = Turn(Speaker.USER, text)
        kept = list(self._turns)
        while kept and sum(len(turn.content) for turn in (*kept, question)) > LONGEST_CHARACTERS:
            del kept[:2]
        return (*kept, question)

    def remember(self, question: str, answer: str) -> None:
        """Keep a pair; a blank answer keeps neither, for no call could carry it."""
        if answer.strip():
            self._turns += [Turn(Speaker.USER, question), Turn(Speaker.ASSISTANT, answer)]

"""The contestant's end of the pipe: one JSON object a line, each way.

    {"label": PROMPT, "text": TEXT}   -> {"answer": TEXT}
    {"chat": PROMPT, "tokens": MOST}  -> {"began": true} with the first token, {"tokens": WRITTEN}

A failure ends the process; the last line of its log says why. Runs in the contestant's process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol


class Contestant(Protocol):
    """What answers, loaded and ready."""

    def label(self, prompt: str, text: str) -> str:
        """Label a text; `prompt` is the same text in its prompt."""
        ...

    def chat(self, prompt: str, tokens: int, on_first: Callable[[], None]) -> int:
        """Write at most `tokens` tokens, greedily, and return how many they are."""
        ...


def serve(load: Callable[[str, int], Contestant]) -> None:
    """Load with the command line's FOLDER and THREADS, then answer until the pipe closes."""
    # Libraries print; only answers may go where the starter reads.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def say(**fields: Any) -> None:
        answers.write(json.dumps(fields, ensure_ascii=False) + "\n")

    contestant = load(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin.buffer:
        match json.loads(line):
            case {"label": prompt, "text": text}:
                say(answer=contestant.label(prompt, text))
            case {"chat": prompt, "tokens": tokens}:
                say(tokens=contestant.chat(prompt, tokens, lambda: say(began=True)))
            case other:
                raise ValueError(f"{other}: is no question")

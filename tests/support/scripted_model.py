"""A model that follows a script: the real engine runs it, nothing is computed.

One token is one byte, so that prompts can be read back and asserted on.
"""

import threading
from itertools import pairwise

from tidegate.server.engine.batch import Ask, Batch, Logits, Result, Token
from tidegate.server.engine.sequence import Write

START, END = 256, 257
_SPECIAL = {"<|im_start|>": START, "<|im_end|>": END}


class ByteTokenizer:
    """Text to its UTF-8 bytes and back; ChatML's borders come after them."""

    def __init__(self, special: dict[str, int] | None = None) -> None:
        self._special = _SPECIAL if special is None else special

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def special(self, token: str) -> int | None:
        return self._special.get(token)

    def decode(self, tokens) -> str:
        return bytes(token for token in tokens if token < 256).decode(errors="replace")


class ScriptedModel:
    """Writes `reply`; prefers the first label for a text with 好, the second for one with 差.

    `hold` stops the engine before its next step, `release` lets it go on. `lean` is added to
    the first label's logit, as a badly calibrated model would.
    """

    end_tokens = frozenset({END})

    def __init__(self, *, reply: str = "好的，谢谢。", lean: float = 0.0) -> None:
        self.reply = reply
        self.lean = lean
        self.failures = 0
        self._memory: dict[int, list[int]] = {}
        self._kept: dict[int, list[int]] = {}
        self._may_go = threading.Event()
        self._may_go.set()

    def hold(self) -> None:
        self._may_go.clear()

    def release(self) -> None:
        self._may_go.set()

    def run(self, batch: Batch) -> list[Result]:
        self._may_go.wait(30)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("scripted failure")
        for recall in batch.recalls:
            self._memory[recall.slot] = list(self._kept[recall.prefix_id])
        results: list[Result] = []
        for row in batch.rows:
            memory = self._memory.setdefault(row.slot, [])
            memory[row.start :] = row.tokens
            if isinstance(row.aim, Ask):
                results.append(self._judge(memory, row.aim))
            elif isinstance(row.aim, Write):
                letters = [*self.reply.encode(), END]
                results.append(Token(letters[min(len(row.written), len(letters) - 1)]))
            else:
                results.append(None)
        return results

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        self._kept[prefix_id] = self._memory[slot][: len(tokens)]

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        return False

    def forget(self, prefix_id: int) -> None:
        del self._kept[prefix_id]

    def _judge(self, memory: list[int], aim: Ask) -> Logits:
        starts = [at for at, token in enumerate(memory) if token == START]
        blocks = [
            bytes(t for t in memory[begin:end] if t < 256).decode()
            for begin, end in pairwise(starts)
        ]
        # The question that a profile puts after the text says nothing of the text. To warm up, a server
        # asks after the first tokens only.
        last_words = next((block for block in reversed(blocks) if "只回答" not in block), "")
        first = 2.0 * (("好" in last_words) - ("差" in last_words))
        values = [first + self.lean, *([0.0] * (len(aim.tokens) - 1))]
        return Logits(tuple(values))

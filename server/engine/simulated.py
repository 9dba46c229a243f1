"""A model that only sleeps, as long as a real one would compute: for load tests, never for answers.

Every label it is asked about is as likely as the others, and every reply is the same sentence. All the
rest of the server is real. Knows nothing of torch.
"""

import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

from pydantic import ValidationError

from tidegate.server.engine.batch import Batch, Logits, Result, Row, Token
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.sequence import Write

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "simulated"
_SENTENCE = "这是模拟的回答，没有模型。"
_SPECIAL = {"<|im_start|>": sys.maxunicode + 1, "<|im_end|>": sys.maxunicode + 2}


class LatencyError(Exception):
    """The latency file can't be used; the message is one line that says why."""


def is_simulated(model: str) -> bool:
    """Return whether a model of that name only sleeps: "simulated", or "simulated:FILE.toml"."""
    return model == NAME or model.startswith(f"{NAME}:")


def read_latency(model: str) -> Latency:
    """Return the latency that "simulated" or "simulated:FILE.toml" names. Raises LatencyError."""
    file = model.removeprefix(NAME).removeprefix(":")
    if not file:
        return Latency()
    try:
        return Latency.model_validate(tomllib.loads(Path(file).read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LatencyError(f"model {model!r}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Latency.model_fields)
        raise LatencyError(
            f"model {model!r}: {name}: {first['input']!r}: {first['msg']}; keys are {known}"
        ) from None


class CharacterTokenizer:
    """Text to the numbers of its characters and back: a token a character, near enough for Chinese."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text."""
        return [ord(character) for character in text]

    def special(self, token: str) -> int | None:
        """Return the id of one of ChatML's borders, or None."""
        return _SPECIAL.get(token)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens` without ChatML's borders."""
        return "".join(chr(token) for token in tokens if token <= sys.maxunicode)


class SimulatedModel:
    """The model of `batch.Model` that takes its time and computes nothing. One thread calls it.

    `sleep` waits that many seconds.
    """

    end_tokens = frozenset({_SPECIAL["<|im_end|>"]})

    def __init__(self, latency: Latency, sleep: Callable[[float], None] = time.sleep) -> None:
        self._latency = latency
        self._sleep = sleep
        text = islice(cycle(_SENTENCE), latency.reply_tokens)
        self._reply = [*map(ord, text), *self.end_tokens]

    def run(self, batch: Batch) -> list[Result]:
        """Sleep for a step; see `batch.Model`."""
        self._sleep(self._latency.of(batch))
        return [self._result(row) for row in batch.rows]

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        """Nothing was computed that could be kept; the engine counts it as cached all the same."""

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        """Return that nothing is there."""
        return False

    def forget(self, prefix_id: int) -> None:
        """Nothing was kept."""

    def _result(self, row: Row) -> Result:
        if isinstance(row.aim, Write):
            return Token(self._reply[min(len(row.written), len(self._reply) - 1)])
        return None if row.aim is None else Logits((0.0,) * len(row.aim.tokens))

"""The plan: which asks are put to ours and to whom, and which gate each ratio must pass.

Knows nothing of processes or printing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from typing_extensions import assert_never

from benchmarks.engine.texts import Texts
from benchmarks.gate import Gate, Sense


class Unit(Enum):
    """What a figure counts, and so what becomes of an answer."""

    MILLISECONDS = "ms"
    LABELS_PER_SECOND = "labels/s"
    TOKENS_PER_SECOND = "tokens/s"
    TOKENS = "tokens"
    GIGABYTES = "GB"

    def figure(self, answer: float, amount: int) -> float:
        """Return the figure for an answer in seconds, tokens or bytes; rates are for `amount`."""
        match self:
            case Unit.MILLISECONDS:
                return answer * 1000
            case Unit.LABELS_PER_SECOND | Unit.TOKENS_PER_SECOND:
                return amount / answer
            case Unit.TOKENS:
                return answer
            case Unit.GIGABYTES:
                return answer / 1e9
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: the whole run, or one that only shows that it runs."""

    rounds: int
    starts: int
    write: int
    labels: int
    health_s: float


FULL = Scale(rounds=7, starts=20, write=32, labels=32, health_s=20.0)
QUICK = Scale(rounds=1, starts=1, write=3, labels=4, health_s=1.0)

# Characters, one token each: a profile's system prompt, a caller's sentence, a review.
_SYSTEM, _SENTENCE, _REVIEW = 32, 30, 120

Details = Callable[[Texts, Scale], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Contest:
    """One row: an ask that both sides answer, once a round each."""

    row: str
    what: str
    unit: Unit
    ask: str
    details: Details
    gate: Gate | None
    amount: Callable[[Scale], int] = field(default=lambda scale: 1)
    # The ask of the other side, where it goes by another name.
    their_ask: str = ""
    # Memory and tokens are the same every time.
    is_once: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Contests of ours against one opponent, both loaded once for all of them."""

    opponent: str
    name: str
    contests: tuple[Contest, ...]
    ours: str = "ours"
    # Chats at once that both must have room for; 0 for those who don't ask.
    chats: int = 8
    their_chats: int = 0
    package: str = "transformers"


def _system() -> str:
    return Texts(seed=0).one(_SYSTEM)


def _label(texts: Texts, scale: Scale) -> dict[str, Any]:
    return {"system": _system(), "text": texts.one(_SENTENCE)}


def _fresh_label(texts: Texts, scale: Scale) -> dict[str, Any]:
    return {"system": texts.one(_SYSTEM), "text": texts.one(_SENTENCE)}


def _labels(texts: Texts, scale: Scale) -> dict[str, Any]:
    return {"system": _system(), "texts": texts.many(scale.labels, _SENTENCE)}


def _chats(count: int) -> Details:
    return lambda texts, scale: {"texts": texts.many(count, 32), "write": scale.write}


def _prompt(tokens: int) -> Details:
    return lambda texts, scale: {"text": texts.one(tokens)}


def _review(texts: Texts, scale: Scale) -> dict[str, Any]:
    return {"text": texts.one(_REVIEW), "write": scale.write}


def _nothing(texts: Texts, scale: Scale) -> dict[str, Any]:
    return {}


def _at_most(bound: float) -> Gate:
    return Gate(Sense.AT_MOST, bound)


def _at_least(bound: float) -> Gate:
    return Gate(Sense.AT_LEAST, bound)


def _tokens_per_second(row: str, count: int, gate: Gate) -> Contest:
    return Contest(
        row,
        f"{count} chats at once, prompts of 32 tokens" if count > 1 else "one chat, prompt of 32",
        Unit.TOKENS_PER_SECOND,
        "chats",
        _chats(count),
        gate,
        amount=lambda scale: count * scale.write,
    )


def _memory(row: str, what: str) -> Contest:
    return Contest(
        row, what, Unit.GIGABYTES, "peak_bytes", _nothing, _at_most(_MEMORY[row]), is_once=True
    )


_MEMORY = {"memory": 1.0, "split-memory": 0.75}

MATCHES = (
    Match(
        "pipeline",
        "transformers pipeline",
        (
            Contest(
                "label",
                f"one label, {_SYSTEM} tokens of profile and {_SENTENCE} of text",
                Unit.MILLISECONDS,
                "label",
                _label,
                _at_most(0.4),
            ),
            Contest(
                "label-no-prefix",
                "the same, the profile's tokens computed too",
                Unit.MILLISECONDS,
                "label",
                _fresh_label,
                None,
            ),
            Contest(
                "labels",
                "labels under load, 16 callers against its best batch size",
                Unit.LABELS_PER_SECOND,
                "labels",
                _labels,
                _at_least(5),
                amount=lambda scale: scale.labels,
            ),
        ),
    ),
    Match(
        "generate",
        "transformers generate",
        (
            Contest(
                "prefill",
                "first token after 32, eager forward",
                Unit.MILLISECONDS,
                "prefill",
                _prompt(32),
                Gate(Sense.AT_MOST, 1 / 1.6),
            ),
            _tokens_per_second("one-chat", 1, _at_least(1.7)),
            _tokens_per_second("eight-chats", 8, _at_least(3.5)),
            _memory("memory", "peak memory after the same work (labels, 8 chats)"),
        ),
    ),
    Match(
        "continuous",
        "transformers continuous batching",
        (_tokens_per_second("continuous-32", 32, _at_least(4)),),
        chats=32,
        their_chats=32,
    ),
    Match(
        "llama",
        "llama.cpp F32",
        (
            Contest(
                "llama-prefill",
                "first token after 64",
                Unit.MILLISECONDS,
                "prefill",
                _prompt(64),
                _at_most(0.8),
            ),
            _tokens_per_second("llama-8", 8, _at_least(1.4)),
            _tokens_per_second("llama-16", 16, _at_least(1.3)),
        ),
        chats=16,
        their_chats=16,
        package="llama-cpp-python",
    ),
    Match(
        "bus",
        "the weights read once",
        (
            Contest(
                "bus",
                "one step of one chat, against the memory bus",
                Unit.MILLISECONDS,
                "decode_step",
                lambda texts, scale: {"text": texts.one(32), "write": scale.write},
                _at_most(1.25),
            ),
        ),
        package="torch",
    ),
    Match(
        "split",
        "split deployment (BERT-base + transformers)",
        (
            Contest(
                "split-tokens",
                "tokens computed to judge and reply to 120 tokens",
                Unit.TOKENS,
                "judge_and_reply",
                _review,
                _at_most(0.65),
                is_once=True,
            ),
            _memory("split-memory", "peak memory of a server that judges and replies"),
        ),
        ours="service",
    ),
    Match(
        "service",
        "two calls of the same server",
        (
            Contest(
                "two-calls",
                "tokens computed to judge and reply in one call",
                Unit.TOKENS,
                "judge_and_reply",
                _review,
                _at_most(0.65),
                their_ask="two_calls",
                is_once=True,
            ),
        ),
        ours="service",
        package="tidegate",
    ),
)

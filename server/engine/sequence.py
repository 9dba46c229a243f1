"""What the engine is asked, what it answers, and the one thing that it works on between.

Knows nothing of gRPC, profiles or torch.
"""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from tidegate.server.engine.label_tree import LabelTree, Path, Walk
from tidegate.server.engine.prefixes import common


class Tokenizer(Protocol):
    """Text to token ids and back, for one model."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text: nothing is added, and no text becomes a special token."""
        ...

    def special(self, token: str) -> int | None:
        """Return the id of a special token such as ``<|im_end|>``, or None if there is none."""
        ...

    def decode(self, tokens: Seq[int]) -> str:
        """Return the text of `tokens`, special tokens left out; half characters become U+FFFD."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids, of which the first `fixed` are the same for every call of a profile.

    The fixed part is what the engine keeps in its prefix cache.
    """

    tokens: tuple[int, ...]
    fixed: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; already validated against the profile's limits."""

    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.1
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None


class Ending(Enum):
    """Why a reply ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a sequence cost, in tokens."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """The log-probability of each label among the labels, in the order asked, and the cost."""

    logs: tuple[float, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply; whole characters, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a reply."""

    ending: Ending
    usage: Usage


@dataclass(frozen=True, slots=True)
class Label:
    """Aim: how likely each of these labels is after the prompt. Nothing is written."""

    tree: LabelTree


@dataclass(frozen=True, slots=True)
class Judge:
    """Aim: as Label, but the slot is kept for a reply that begins as this prompt does."""

    tree: LabelTree


@dataclass(frozen=True, slots=True)
class Held:
    """Aim: nothing, until it is said how to go on. The slot is kept."""


@dataclass(frozen=True, slots=True)
class Write:
    """Aim: a reply, token by token. Its seed is fixed, so that a token depends on nothing else."""

    sampling: Sampling
    seed: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Aim: the prompt's keys and values, for the prefix cache."""


Aim = Label | Judge | Held | Write | Keep


@dataclass(slots=True, eq=False)
class Sequence:
    """One prompt on its way through the engine.

    `tokens` is the prompt and what has been written since, or the beginning of a label that is
    asked about; the first `computed` of them have their keys and values in the slot, `cached`
    of those without having been computed for it. Labels that are short (not `is_long`) and alone (not `is_bulk`)
    pass the others by.
    """

    id: int
    tokens: list[int]
    aim: Aim
    deadline_s: float | None = None
    is_bulk: bool = False
    slot: int | None = None
    computed: int = 0
    cached: int = 0
    is_long: bool = False
    prompt_tokens: int = field(init=False)
    walk: Walk | None = field(init=False)

    def __post_init__(self) -> None:
        self.prompt_tokens = len(self.tokens)
        self.walk = Walk(self.aim.tree) if isinstance(self.aim, Label | Judge) else None
        if self.walk is not None:
            self.tokens += self.walk.path or ()

    @property
    def gives_way(self) -> bool:
        """Whether others, for which somebody waits, go before it."""
        return self.is_long or self.is_bulk

    @property
    def pending(self) -> int:
        """How many tokens have still to go through the model."""
        return len(self.tokens) - self.computed

    @property
    def written(self) -> list[int]:
        """The tokens after the prompt."""
        return self.tokens[self.prompt_tokens :]

    def may_write_more(self, context_tokens: int) -> bool:
        """Return whether a reply has neither written all that it may nor filled its slot."""
        if not isinstance(self.aim, Write):
            return False
        left = self.aim.sampling.max_tokens - (len(self.tokens) - self.prompt_tokens)
        return left > 0 and len(self.tokens) < context_tokens

    def go_on_as(self, tokens: Seq[int], prefix_tokens: int) -> bool:
        """Become another prompt in the same slot, keeping what both begin with.

        `prefix_tokens` of the new one could be recalled instead; returns whether that is more.
        One token at least is left to compute.
        """
        shared = common(self.tokens[: self.computed], tokens[:-1])
        self.tokens = list(tokens)
        self.prompt_tokens = len(tokens)
        self.computed = self.cached = max(shared, prefix_tokens)
        return prefix_tokens > shared

    def ask(self, path: Path) -> None:
        """Go back to the end of the prompt and on along `path`, another beginning of labels."""
        tokens = [*self.tokens[: self.prompt_tokens], *path]
        self.computed = common(self.tokens[: self.computed], tokens[:-1])
        self.tokens = tokens

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""
        completion = len(self.written) if isinstance(self.aim, Write) else 0
        return Usage(self.prompt_tokens, self.cached, completion)


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A snapshot of the engine's counters."""

    running: int
    waiting: int
    slots: int
    free_slots: int
    finished: int
    cancelled: int
    failed: int
    steps: int
    computed_tokens: int
    cached_tokens: int


class EngineError(Exception):
    """The sequence failed inside the engine; `error_id` finds the trace in the log."""

    def __init__(self, error_id: str) -> None:
        super().__init__(f"the engine failed on this call; the log has the trace under {error_id}")
        self.error_id = error_id


class EngineStoppedError(Exception):
    """The engine takes no more sequences: it is stopping, or it failed twice in a row."""


class PromptTooLongError(Exception):
    """The prompt, with room for one token more, does not fit into a slot."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"the prompt has {tokens} tokens, a slot holds {limit}")
        self.tokens = tokens
        self.limit = limit

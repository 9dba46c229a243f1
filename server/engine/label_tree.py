"""Labels as the model writes them: which tokens it is asked about, and what the answers say.

Only labels can come out, so the model is asked only where labels part: two labels with different
first tokens need one question, in the pass that reads the prompt; labels that begin alike need
another one after what they share. A label's log-probability is the sum over the questions on
its way (decoding constrained to the labels). Knows token ids and numbers only.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

Path = tuple[int, ...]


class AmbiguousLabelsError(ValueError):
    """One label is how another one begins: `shorter` and `longer` are their places."""

    def __init__(self, shorter: int, longer: int) -> None:
        super().__init__(f"label {shorter} is how label {longer} begins")
        self.shorter = shorter
        self.longer = longer


class LabelTree:
    """The labels of one profile, two or more, each by its tokens.

    `questions` holds, for each beginning after which labels part, the tokens that can follow;
    a beginning comes before those that go on from it. Raises AmbiguousLabelsError.
    """

    def __init__(self, labels: Sequence[Sequence[int]]) -> None:
        self.labels = tuple(map(tuple, labels))
        _require_difference(self.labels)
        self.questions = _questions(self.labels)

    def __repr__(self) -> str:
        return f"<LabelTree {self.labels}>"

    @property
    def depth(self) -> int:
        """Tokens that the longest beginning adds to a prompt."""
        return max(map(len, self.questions))


class Walk:
    """One prompt's way through the questions of a tree."""

    def __init__(self, tree: LabelTree) -> None:
        self._tree = tree
        self._left = list(tree.questions)
        self._logs: dict[Path, float] = {}

    @property
    def path(self) -> Path | None:
        """The beginning to ask about next, or None when all is known."""
        return self._left[0] if self._left else None

    @property
    def choices(self) -> Path:
        """The tokens that can follow `path`."""
        return self._tree.questions[self._left[0]]

    def take(self, logits: Sequence[float]) -> None:
        """Take the logits of `choices`."""
        path = self._left.pop(0)
        top = max(logits)
        total = top + math.log(math.fsum(math.exp(one - top) for one in logits))
        for token, one in zip(self._tree.questions[path], logits, strict=True):
            self._logs[(*path, token)] = one - total

    def scores(self) -> tuple[float, ...]:
        """Return the log-probability of each label among the labels, in their order."""
        return tuple(self._score(label) for label in self._tree.labels)

    def _score(self, label: Path) -> float:
        beginnings = (label[:end] for end in range(1, len(label) + 1))
        return math.fsum(self._logs.get(beginning, 0.0) for beginning in beginnings)


def _questions(labels: tuple[Path, ...]) -> dict[Path, Path]:
    following: dict[Path, set[int]] = {}
    for label in labels:
        for at, token in enumerate(label):
            following.setdefault(label[:at], set()).add(token)
    # In the order of tokens: a beginning before what goes on from it, branch after branch.
    return {
        path: tuple(sorted(tokens)) for path, tokens in sorted(following.items()) if len(tokens) > 1
    }


def _require_difference(labels: tuple[Path, ...]) -> None:
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} labels; two or more are accepted")
    # Sorted, a label stands right before those that begin with it.
    for first, second in pairwise(sorted(range(len(labels)), key=lambda i: labels[i])):
        if labels[second][: len(labels[first])] == labels[first]:
            raise AmbiguousLabelsError(first, second)

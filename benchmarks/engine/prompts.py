"""The ids that the built-in profiles make of a text, by the server's own prompt writer.

For those who compute the very same prompts by other means: the split deployment and the oracle.
Knows nothing of models.
"""

from pathlib import Path

from tidegate.server.builtin_profiles import builtin_profiles
from tidegate.server.engine.tokens import FolderTokenizer
from tidegate.server.prompts import PromptWriter, Speaker, Turn


class Prompts:
    """Prompts of the built-in profiles for the model of `folder`, which knows ChatML."""

    def __init__(self, folder: str) -> None:
        self._writer = PromptWriter(FolderTokenizer(Path(folder)), "chatml")
        self._profiles = builtin_profiles("chatml")
        self.sentiment = self._profiles["sentiment"]

    def of(self, profile: str, text: str) -> list[int]:
        """Return the prompt of a conversation that is `text` alone."""
        turns = (Turn(Speaker.USER, text),)
        return list(self._writer.write(self._profiles[profile], turns).tokens)

    def labels(self) -> list[int]:
        """Return the token that decides for each label of the sentiment profile: its first.

        Raises ValueError where labels begin alike, which no single forward pass can tell apart.
        """
        tree = self._writer.labels(self.sentiment, "sentiment.toml")
        if tree is None or tree.depth:
            raise ValueError("the labels of the sentiment profile begin alike")
        return [label[0] for label in tree.labels]

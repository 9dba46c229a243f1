"""Decides which one sentence of a text stands for it: the one that says most of what the text says.

Pure and extractive: nothing is written that the caller didn't write. A sentence weighs as much as the
telling words in it, each counted once, by how often the whole text uses them; the earliest of the
heaviest is taken. Knows nothing of profiles or models.
"""

import re

from tidegate.server.truncation import count_telling_words, cut

READ_CHARACTERS = 2048
"""No more is read, so that a short answer costs the same few milliseconds for every text."""
LONGEST_CHARACTERS = 160
"""A sentence above this is no sentence; its beginning is taken."""

_SENTENCE = re.compile(r"[^。！？!?；;\n]*?(?:[。！？!?；;\n]+|\.(?=\s|$)|$)[”’」』）)\"']*", re.S)


def sum_up(text: str) -> str:
    """Return one sentence of `text`, at most LONGEST_CHARACTERS of it; `text` must not be blank."""
    read = text.strip()[:READ_CHARACTERS]
    weights = count_telling_words(read)
    sentences = [found.strip() for found in _SENTENCE.findall(read) if found.strip()]
    heaviest = max(
        sentences,
        key=lambda sentence: sum(n for word, n in weights.items() if word in sentence),
    )
    return cut(heaviest, above=LONGEST_CHARACTERS, head=LONGEST_CHARACTERS, tail=0, keywords=0).text

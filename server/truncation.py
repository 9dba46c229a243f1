"""Decides what is kept of a long text: its beginning, keywords of its middle, its end.

Pure. Knows nothing of profiles or tokens; counts characters (Unicode code points).
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

# Nouns, verbs, adjectives, idioms and set phrases in jieba's tag set; `eng` is any Latin word.
_TELLING_TAGS = ("n", "v", "a", "i", "l", "eng")

# Words of those classes that say nothing on their own.
_STOP_TEXT = (
    "可以 可能 应该 没有 不是 就是 还是 知道 觉得 感觉 时候 东西 事情 问题 一下 进行 使用 "
    "好像 这样 那样 开始 出来 起来 下来 过来 "
    "an and or but of to in on at for with from by as is are was were be been it its this that "
    "he she we they my your our their me him her them not no so if then than very just have has "
    "had do does did will would can could there here all some any the you"
)
_STOP_WORDS = frozenset(_STOP_TEXT.split())

# rjieba holds the interpreter while it tags; pieces of this size keep that to a millisecond.
_PIECE_CHARACTERS = 250
_PIECE = re.compile(
    rf".{{1,{_PIECE_CHARACTERS}}}(?:(?<=[\s，。！？；、,.!?;])|$)|.{{1,{_PIECE_CHARACTERS}}}", re.S
)

# A grapheme longer than this is an attack, not a character: then the cut falls inside it.
_LONGEST_CLUSTER = 16
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as it will be read, and whether anything was left out."""

    text: str
    was_cut: bool


def cut(text: str, *, above: int, head: int, tail: int, keywords: int) -> Cut:
    """Return `text` whole up to `above` characters, else its first `head`, keywords, last `tail`.

    The parts are joined by ……; there are at most `keywords` keywords, in the order of their
    first appearance in the middle, the most frequent ones chosen. A character that is made of
    several code points is not split: it goes to the middle, so head and tail may be a little
    shorter than asked.
    """
    if len(text) <= above:
        return Cut(text, was_cut=False)
    start = _border_before(text, head)
    end = _border_after(text, len(text) - tail)
    words = "，".join(find_keywords(text[start:end], keywords))
    kept = (text[:start], words, text[end:])
    return Cut("……".join(part for part in kept if part), was_cut=True)


def find_keywords(text: str, most: int) -> list[str]:
    """Return at most `most` telling words of `text`, frequent first chosen, early first listed."""
    if most == 0:
        return []
    counts = count_telling_words(text)
    # Counter keeps the order of first appearance, and sorting is stable.
    chosen = {word for word, _ in counts.most_common(most)}
    return [word for word in counts if word in chosen]


def read_dictionary() -> None:
    """Read what words are; the first counts do it otherwise, which takes a tenth of a second and 42 MB."""
    import rjieba

    # How words are guessed that no dictionary has is read with the first of them.
    rjieba.tag("杭研")


def count_telling_words(text: str) -> Counter[str]:
    """Return how often `text` uses each word that tells what it is about, in order of appearance."""
    import rjieba

    counts: Counter[str] = Counter()
    for piece in _PIECE.findall(text):
        counts.update(word for word, tag in rjieba.tag(piece) if _is_telling(word, tag))
    return counts


def _is_telling(word: str, tag: str) -> bool:
    if not 2 <= len(word) <= 16 or word.lower() in _STOP_WORDS:
        return False
    return tag.startswith(_TELLING_TAGS)


def _border_before(text: str, index: int) -> int:
    """Return the nearest place at or before `index` where no character is split."""
    for back in range(min(_LONGEST_CLUSTER, index)):
        if not _is_inside(text, index - back):
            return index - back
    return index


def _border_after(text: str, index: int) -> int:
    """Return the nearest place at or after `index` where no character is split."""
    for ahead in range(min(_LONGEST_CLUSTER, len(text) - index)):
        if not _is_inside(text, index + ahead):
            return index + ahead
    return index


def _is_inside(text: str, index: int) -> bool:
    """Say whether `index` falls between the code points of one character."""
    if not 0 < index < len(text):
        return False
    after = text[index]
    is_skin_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    is_mark = unicodedata.category(after).startswith("M")
    return is_mark or is_skin_tone or _JOINER in (after, text[index - 1])

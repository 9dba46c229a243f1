"""Says things in the language of the person who reads them: English, or Chinese.

The sentences stand in the code in English; here is what each is in Chinese. Keys of JSON, flags and what
the other side says are never translated. Knows nothing about who says them, nor when.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def told(english: str, **facts: object) -> str:
    """The sentence in the reader's language, with the facts in its braces."""
    sentence = CHINESE[english] if is_chinese(os.environ) else english
    return sentence.format(**facts) if facts else sentence


def is_chinese(environment: Mapping[str, str]) -> bool:
    """Whether the reader wants Chinese: by TIDEGATE_LANG, else by what the system is told, as gettext does."""
    for name in ("TIDEGATE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if language := environment.get(name):
            return language.lower().startswith("zh")
    return False


CHINESE: Mapping[str, str] = {}

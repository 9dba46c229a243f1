"""Keeps a value of a log line within its line: what can't be printed is shown as its escape.

A caller's text may hold new lines, which would look like lines of ours, and sequences that a terminal obeys. Traces are no
values, and stay as they are. Knows nothing about what is logged.
"""

from collections.abc import MutableMapping
from typing import Any

_TRACES = frozenset({"exception", "stack"})


def escape_values(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog, to be the last before what makes text for people; JSON has escapes of its own."""
    for key, value in line.items():
        if isinstance(value, str) and not value.isprintable() and key not in _TRACES:
            line[key] = "".join(map(_shown, value))
    return line


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")

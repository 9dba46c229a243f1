"""Writes answers to stdout, for people or for programs.

Knows nothing about calls. Only a terminal gets bold or dim text, and it gets nothing from others that it would obey.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from datetime import datetime
from enum import Enum
from typing import Any, TextIO, TypeVar

from tidegate.clients.answers import Classification

# Wide enough for any row: a file or a pipe has no edge to fold lines at.
PIPE_COLUMNS = 240

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"

# Control characters, but for the ends of lines, tabs, and the three marks above.
_OBEYED = re.compile(r"(?!\x1b\[[012]m)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")

Answer = TypeVar("Answer")


def write(text: str) -> None:
    """The text at once, for a reply must be seen while it is written; as it is, but for a terminal."""
    sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def write_json(fields: dict[str, Any]) -> None:
    """One JSON object on one line."""
    write(json.dumps(fields, ensure_ascii=False) + "\n")


def fields_of(answer: Any) -> dict[str, Any]:
    """An answer, which is a dataclass, as JSON fields under the names that Python sees."""
    return dataclasses.asdict(answer, dict_factory=_plain)


def label_line(answer: Classification, text: str = "") -> str:
    """The label, how sure it is, and the text where there are several."""
    label = f"{_BOLD}{answer.label}{_PLAIN}" if _may_be_marked(sys.stdout) else answer.label
    line = f"{label}  {answer.confidence:.2f}"
    return f"{line}  {' '.join(text.split())}\n" if text else f"{line}\n"


def aside(text: str) -> str:
    """A remark that is not part of the answer, dim where it can be."""
    return f"{_DIM}{text}{_PLAIN}" if _may_be_marked(sys.stderr) else text


def harmless(text: str) -> str:
    """The text with what a terminal would obey shown as its escape: a model, or a balancer, may write anything."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def harmless_fields(answer: Answer) -> Answer:
    """An answer, which is a dataclass, all of whose texts are harmless."""
    shown: Answer = _shown(answer)
    return shown


def _shown(value: Any) -> Any:
    match value:
        case Enum():
            return value
        case str():
            return harmless(value)
        case tuple() | list():
            return type(value)(_shown(each) for each in value)
        case dict():
            return {_shown(key): _shown(each) for key, each in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            changes = {each.name: _shown(getattr(value, each.name)) for each in fields}
            return dataclasses.replace(value, **changes)
        case _:
            return value


def _may_be_marked(stream: TextIO) -> bool:
    """Whether it is a terminal of somebody who hasn't asked for plain text (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in pairs}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value

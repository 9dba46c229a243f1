"""Writes answers to stdout, for people or for programs.

Knows nothing about calls. Only a terminal gets bold or dim text.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from datetime import datetime
from enum import Enum
from typing import Any, TextIO

from tidegate.clients.answers import Classification

# Wide enough for any row: a file or a pipe has no edge to fold lines at.
PIPE_COLUMNS = 240

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def write(text: str) -> None:
    """The text as it is, at once: a reply must be seen while it is written."""
    sys.stdout.write(text)
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


def _may_be_marked(stream: TextIO) -> bool:
    """Whether it is a terminal of somebody who hasn't asked for plain text (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in pairs}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value

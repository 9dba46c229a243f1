"""The file that answers go to: one record for each of the input's, in its order, each written whole.

So what is in it is always a beginning of the whole, and tells by itself where to go on and whether it
belongs to the input. Knows nothing about calls.
"""

from __future__ import annotations

import codecs
import csv
import fcntl
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tidegate.clients.answers import Classification
from tidegate.clients.sheets.records import Fault, Record, Shape, SheetError
from tidegate.clients.words import told

LINE = "line"
ADDED = ("label", "confidence", "truncated", "profile", "profile_version", "model", "error")


@dataclass(frozen=True, slots=True)
class Form:
    """How answered records are written down. `columns` are those of the input, in order.

    A column that we add has another name where the input has its own of that name.
    """

    shape: Shape
    columns: tuple[str, ...]
    encoding: str = "utf-8"
    has_mark: bool = False

    def head(self) -> bytes:
        """What stands before the first record."""
        if self.shape is Shape.JSONL:
            return b""
        added = [_apart(name, self.columns) for name in ADDED]
        head = self._row([_apart(LINE, self.columns), *self.columns, *added])
        return (codecs.BOM_UTF8 if self.has_mark else b"") + self._encoded(head + "\n")

    def beginning(self, record: Record | Fault) -> bytes:
        """The part of a written record that doesn't depend on its answer."""
        if self.shape is Shape.JSONL:
            fields = {**record.fields, _apart(LINE, record.fields): record.line}
            return self._encoded(json.dumps(fields, ensure_ascii=False)[:-1])
        own = [_plain(record.fields.get(name)) for name in self.columns]
        return self._encoded(self._row([str(record.line), *own]) + self.shape.value)

    def ending(self, record: Record | Fault, outcome: Classification | str) -> bytes:
        """The rest of it, its end included."""
        said = _said(outcome)
        if self.shape is Shape.JSONL:
            named = {_apart(name, record.fields): value for name, value in said.items()}
            return self._encoded(", " + json.dumps(named, ensure_ascii=False)[1:] + "\n")
        return self._encoded(self._row([_plain(said.get(name)) for name in ADDED]) + "\n")

    def is_problem(self, record: Record | Fault, ending: bytes) -> bool:
        """Whether a written record tells of a problem, not of an answer."""
        text = ending.decode(self.encoding)
        if self.shape is Shape.JSONL:
            return _apart("error", record.fields) in json.loads("{" + text.removeprefix(", "))
        return any(row[-1:] != [""] for row in csv.reader([text], delimiter=self.shape.value))

    def _row(self, cells: Iterable[str]) -> str:
        written = io.StringIO()
        csv.writer(written, delimiter=self.shape.value).writerow(cells)
        # The writer quotes a line's end in a cell only if it is its own.
        return written.getvalue().removesuffix("\r\n")

    def _encoded(self, text: str) -> bytes:
        return text.encode(self.encoding, errors="replace")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds already: so many records, of which so many have a problem, up to a byte."""

    records: int = 0
    problems: int = 0
    end: int = 0


def kept(path: Path, form: Form, records: Iterable[Record | Fault]) -> Kept:
    """What of `records` is in the file; what a killed process left of a last one doesn't count.

    Raises SheetError when the file has something else in it.
    """
    content = path.read_bytes() if path.exists() else b""
    if not content.startswith(form.head()):
        if form.head().startswith(content):
            return Kept()
        raise SheetError(path, told("it has other columns than would be written now"))
    count, problems, end = 0, 0, len(form.head())
    for record in records:
        beginning = form.beginning(record)
        rest = content[end:]
        if not rest:
            break
        behind = content.find(b"\n", end + len(beginning)) + 1
        if not rest.startswith(beginning) or not behind:
            if beginning.startswith(rest) or rest.startswith(beginning):
                break
            raise SheetError(
                path,
                told(
                    "its record {number} is not that of line {line}",
                    number=count + 1,
                    line=record.line,
                ),
            )
        problems += form.is_problem(record, content[end + len(beginning) : behind])
        count, end = count + 1, behind
    else:
        if len(content) > end:
            raise SheetError(path, told("it holds more records than the input"))
    return Kept(count, problems, end)


class AnswerFile:
    """The file, open for the records that are to come. Raises SheetError when another process has it."""

    def __init__(self, path: Path, form: Form, after: Kept) -> None:
        self._path = path
        self._form = form
        self._after = after

    def __enter__(self) -> AnswerFile:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise SheetError(self._path, told("another process is writing it")) from None
        os.ftruncate(self._file, self._after.end)
        if not self._after.end:
            self._write(self._form.head())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def add(self, record: Record | Fault, outcome: Classification | str) -> None:
        """Write one record, whole."""
        self._write(self._form.beginning(record) + self._form.ending(record, outcome))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]


def _said(outcome: Classification | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"error": " ".join(outcome.split())}
    return {
        "label": outcome.label,
        "confidence": round(outcome.confidence, 4),
        "truncated": outcome.truncated,
        "profile": outcome.profile,
        "profile_version": outcome.profile_version,
        "model": outcome.model,
    }


def _apart(name: str, taken: Iterable[str]) -> str:
    """The name of a column that we add; another where the input has it."""
    return f"tidegate_{name}" if name in taken else name


def _plain(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)

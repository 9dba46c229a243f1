"""Reads a file of texts, a record at a time; what can't be read is a fault that names its line.

A broken record spoils itself only: the next line is tried again. Knows nothing about what becomes of a text.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from tidegate.clients.words import told

# A quoted field may hold line ends; a quote that is still open after so many lines was never closed.
LONGEST_RECORD_LINES = 100


class Shape(Enum):
    """How a file holds its records: a table with a head, a JSON object a line, or a text a line."""

    CSV = ","
    TSV = "\t"
    JSONL = "jsonl"
    LINES = "lines"


SHAPE_OF_SUFFIX = {
    ".csv": Shape.CSV,
    ".tsv": Shape.TSV,
    ".jsonl": Shape.JSONL,
    ".ndjson": Shape.JSONL,
    ".txt": Shape.LINES,
}


class SheetError(Exception):
    """A file as a whole can't be used; the message is one line that names it and says why."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True, slots=True)
class Record:
    """One record that can be answered. `end` is the byte behind it."""

    line: int
    text: str
    fields: dict[str, Any]
    end: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One record that can't be read, and why."""

    line: int
    problem: str
    end: int
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file of texts: which column holds them, and how its bytes are to be read."""

    path: Path
    shape: Shape
    column: str
    encoding: str = "utf-8"

    def head(self) -> list[str]:
        """The names of the columns, in order; raises SheetError when the texts are in none of them.

        A JSONL file has none of its own: there each record is looked at by itself.
        """
        match self.shape:
            case Shape.CSV | Shape.TSV:
                with self.path.open("rb") as opened:
                    head = _head(_Lines(opened, self.encoding), self.shape.value)
                if isinstance(head, str):
                    raise SheetError(
                        self.path, told("line {line}: {problem}", line=1, problem=head)
                    )
                if self.column not in head:
                    there = ", ".join(map(repr, head))
                    raise SheetError(
                        self.path,
                        told(
                            "line 1: there is no column {column}, only {there}; --column names one",
                            column=repr(self.column),
                            there=there,
                        ),
                    )
                if len(set(head)) < len(head):
                    raise SheetError(self.path, told("line 1: two columns have the same name"))
                return head
            case Shape.JSONL | Shape.LINES:
                return [self.column]

    def has_mark(self) -> bool:
        """Whether it begins with the mark of UTF-8, as what Excel saves does."""
        with self.path.open("rb") as opened:
            return opened.read(3) == codecs.BOM_UTF8

    def records(self) -> Iterator[Record | Fault]:
        """Every record, in order; blank lines are passed over. Raises OSError."""
        with self.path.open("rb") as opened:
            lines = _Lines(opened, self.encoding)
            match self.shape:
                case Shape.CSV | Shape.TSV:
                    yield from _of_table(lines, self.shape.value, self.column)
                case Shape.JSONL:
                    yield from _of_objects(lines, self.column)
                case Shape.LINES:
                    yield from _of_lines(lines, self.column)


def checked_encoding(name: str) -> str:
    """The same name; raises SheetError for one in which a line's end can't be told by its byte."""
    try:
        codec = codecs.lookup(name)
        ends_lines = "\n".encode(codec.name) == b"\n"
    except (LookupError, UnicodeError):
        raise SheetError(
            name, told("no encoding that is known; utf-8, gb18030 and gbk are")
        ) from None
    if not ends_lines:
        raise SheetError(
            name,
            told("can't be read a line at a time; first: iconv -f {name} -t UTF-8", name=name),
        )
    return codec.name


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    problem: str
    end: int


class _Lines:
    """The lines of a file, one of which can be given back."""

    def __init__(self, opened: BinaryIO, encoding: str) -> None:
        self._opened = opened
        self._encoding = encoding
        self._number = 0
        self._end = 0
        self._given_back: list[_Line] = []

    def next(self) -> _Line | None:
        """The next line with its end, or None."""
        if self._given_back:
            return self._given_back.pop()
        raw = self._opened.readline()
        if not raw:
            return None
        self._number += 1
        self._end += len(raw)
        if self._number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            text, problem = raw.decode(self._encoding), ""
        except UnicodeDecodeError as error:
            text = ""
            problem = told(
                "not {encoding} at its byte {at} ({byte}); --encoding names another, such as gb18030",
                encoding=self._encoding,
                at=error.start + 1,
                byte=f"0x{raw[error.start]:02x}",
            )
        return _Line(self._number, text, problem, self._end)

    def give_back(self, lines: Sequence[_Line]) -> None:
        """Have these lines come again, before all others."""
        self._given_back.extend(reversed(lines))


def _head(lines: _Lines, delimiter: str) -> list[str] | str:
    first = lines.next()
    if first is None:
        return told("the file is empty")
    return first.problem or _row(lines, first, delimiter)[0]


def _of_table(lines: _Lines, delimiter: str, column: str) -> Iterator[Record | Fault]:
    head = _head(lines, delimiter)
    while not isinstance(head, str) and (line := lines.next()) is not None:
        if line.problem:
            yield Fault(line.number, line.problem, line.end)
            continue
        if not line.text.strip():
            continue
        row, last = _row(lines, line, delimiter)
        if isinstance(row, str):
            yield Fault(line.number, row, last.end)
        elif len(row) != len(head):
            problem = told(
                "{has} fields, where the head names {wanted}", has=len(row), wanted=len(head)
            )
            yield Fault(line.number, problem, last.end)
        else:
            fields = dict(zip(head, row, strict=True))
            yield Record(line.number, fields[column], fields, last.end)


def _row(lines: _Lines, first: _Line, delimiter: str) -> tuple[list[str] | str, _Line]:
    """The fields of a record, or what is wrong with it; and the last of its lines."""
    taken = [first]
    while True:
        try:
            text = "".join(line.text for line in taken)
            (row,) = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
        except ValueError:
            # A lone carriage return made two records of a line.
            return told("a carriage return outside of quotes"), first
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                lines.give_back(taken[1:])
                return str(error), first
        else:
            return row, taken[-1]
        more = lines.next()
        if more is None or more.problem or len(taken) >= LONGEST_RECORD_LINES:
            lines.give_back([*taken[1:], *([more] if more else [])])
            return told("a quote is opened and never closed"), first
        taken.append(more)


def _of_objects(lines: _Lines, column: str) -> Iterator[Record | Fault]:
    while (line := lines.next()) is not None:
        if line.problem:
            yield Fault(line.number, line.problem, line.end)
            continue
        if not line.text.strip():
            continue
        problem, fields = _object(line.text, column)
        if problem:
            yield Fault(line.number, problem, line.end, fields)
        else:
            yield Record(line.number, fields[column], fields, line.end)


def _object(text: str, column: str) -> tuple[str, dict[str, Any]]:
    """What is wrong with a line of JSONL, empty when nothing is; and what it says."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        return told("not JSON: {why}, at character {at}", why=error.msg, at=error.pos + 1), {}
    except RecursionError:
        return told("not JSON that can be read: nested too deeply"), {}
    if not isinstance(said, dict):
        return told("not a JSON object"), {}
    if column not in said:
        there = ", ".join(map(repr, said)) or "{}"
        return told(
            "there is no {column} in it, only {there}", column=repr(column), there=there
        ), said
    if not isinstance(said[column], str):
        return told("{column} is not a text", column=repr(column)), said
    return "", said


def _of_lines(lines: _Lines, column: str) -> Iterator[Record | Fault]:
    while (line := lines.next()) is not None:
        text = line.text.rstrip("\r\n")
        if line.problem:
            yield Fault(line.number, line.problem, line.end)
        elif text.strip():
            yield Record(line.number, text, {column: text}, line.end)

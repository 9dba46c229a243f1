"""The part of `tidegate classify` that goes through a file: where answers go, what a person sees of it.

Knows nothing about how records are read and answered (sheets).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.client import Client
from tidegate.clients.commands.failure import ExitCode, exit_code_of, line_of, say
from tidegate.clients.commands.output import harmless, label_line, write
from tidegate.clients.errors import TidegateError
from tidegate.clients.options import ClassifyOptions
from tidegate.clients.sheets.answered import AnswerFile, Form, Kept, kept
from tidegate.clients.sheets.going import Pace, go_through
from tidegate.clients.sheets.records import (
    SHAPE_OF_SUFFIX,
    Fault,
    Record,
    Shape,
    Sheet,
    SheetError,
    checked_encoding,
)
from tidegate.clients.words import told

_WRITABLE = {"csv": Shape.CSV, "jsonl": Shape.JSONL}

Put = Callable[["Record | Fault", "Classification | str"], None]


@dataclass(frozen=True, slots=True)
class Output:
    """Where answers go, and how: None means stdout, and a table or what the file's name says."""

    path: Path | None
    format: str | None
    is_anew: bool


def sheet_of(texts: list[str], column: str, encoding: str) -> Sheet | None:
    """The file of texts that the arguments name; None when they are texts themselves."""
    shape = SHAPE_OF_SUFFIX.get(Path(texts[0]).suffix.lower()) if len(texts) == 1 else None
    if shape is None:
        return None
    try:
        return Sheet(Path(texts[0]), shape, column, checked_encoding(encoding))
    except SheetError as error:
        raise _refused(str(error)) from None


def classify_sheet(
    client: Client,
    sheet: Sheet,
    output: Output,
    concurrency: int,
    options: ClassifyOptions,
    address: str,
) -> ExitCode:
    """Answer every record of the sheet; go on behind those that the output has already."""
    with ExitStack() as stack:
        try:
            had, put = _opened(sheet, tuple(sheet.head()), output, stack)
            course = _Course(sheet.path, address, put, had)
        except (SheetError, OSError) as error:
            raise _refused(str(error)) from None
        pace = Pace(concurrency, options)
        return _gone_through(client, sheet, course, pace, may_go_on=output.path is not None)


def _gone_through(
    client: Client, sheet: Sheet, course: _Course, pace: Pace, *, may_go_on: bool
) -> ExitCode:
    """Go through it, and say how that ended."""
    exit_code = ExitCode.OK
    try:
        with course.shown():
            go_through(client, sheet.records, course.had, pace, course.take, course.pause)
    except KeyboardInterrupt:
        exit_code = ExitCode.INTERRUPTED
    except TidegateError as error:
        course.tell(line_of(error, course.address))
        exit_code = exit_code_of(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        course.tell(str(error))
        exit_code = ExitCode.FAILURE
    if exit_code is not ExitCode.OK:
        course.tell(told("stopped; {summary}", summary=course.summary()))
        if may_go_on:
            course.tell(told("the same command goes on from there"))
        return exit_code
    course.tell(course.summary())
    return ExitCode.INPUT if course.problems else ExitCode.OK


def _opened(
    sheet: Sheet, columns: tuple[str, ...], output: Output, stack: ExitStack
) -> tuple[Kept, Put]:
    """What is there already, and where each further answer is put."""
    if output.path is None:
        if output.format not in _WRITABLE:
            return Kept(), _put_line
        form = Form(_WRITABLE[output.format], columns)
        write(form.head().decode())
        return Kept(), lambda record, outcome: write(
            (form.beginning(record) + form.ending(record, outcome)).decode()
        )
    shape = _WRITABLE.get(output.format or "") or SHAPE_OF_SUFFIX.get(output.path.suffix.lower())
    if shape is None or shape is Shape.LINES:
        raise SheetError(
            output.path, told("give it the ending .csv, .tsv or .jsonl, or a --format")
        )
    if output.path.exists() and output.path.samefile(sheet.path):
        raise SheetError(output.path, told("it is the input"))
    # Whoever can open the one file can open the other; JSON is UTF-8 by its own rules.
    is_json = shape is Shape.JSONL
    form = Form(
        shape,
        columns,
        "utf-8" if is_json else sheet.encoding,
        has_mark=not is_json and sheet.has_mark(),
    )
    had = Kept() if output.is_anew else kept(output.path, form, sheet.records())
    return had, stack.enter_context(AnswerFile(output.path, form, had)).add


def _put_line(record: Record | Fault, outcome: Classification | str) -> None:
    if isinstance(outcome, Classification):
        text = record.text if isinstance(record, Record) else ""
        write(label_line(outcome, text or " "))


class _Course:
    """How far it has come, as a person sees it: a bar on a terminal, else only what must be said."""

    def __init__(self, path: Path, address: str, put: Put, had: Kept) -> None:
        self.address = address
        self.had = had.records
        self._path = path
        self._put = put
        self._began_s = time.monotonic()
        self._done = 0
        self._repeated = 0
        self.problems = had.problems
        console = Console(stderr=True, highlight=False, markup=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(path.name, total=path.stat().st_size, pace="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar for the length of a block."""
        if self.had:
            self.tell(told("{count} records are there already", count=self.had))
        with self._bar:
            yield

    def take(self, record: Record | Fault, item: ClassifiedItem | None) -> None:
        """Put an outcome where it belongs, and say what is wrong with it."""
        match item:
            case ClassifiedItem(outcome=Classification() as answer):
                self._put(record, answer)
                self._repeated += item.is_repeated
            case ClassifiedItem(outcome=TidegateError() as error):
                self._put_problem(record, line_of(error, self.address))
            case _:
                self._put_problem(record, record.problem if isinstance(record, Fault) else "")
        self._done += 1
        self._bar.update(self._task, completed=record.end, pace=self._pace())

    def pause(self, error: TidegateError, seconds: float) -> None:
        """Say why nothing happens for a while, and wait."""
        self.tell(
            told(
                "{why}; going on in {seconds} s",
                why=line_of(error, self.address),
                seconds=round(seconds),
            )
        )
        time.sleep(seconds)

    def tell(self, line: str) -> None:
        """One line on stderr, above the bar where there is one."""
        if self._bar.disable:
            say(f"tidegate: {self._path}: {line}")
        else:
            self._bar.console.print(harmless(f"tidegate: {self._path}: {line}"), soft_wrap=True)

    def summary(self) -> str:
        """What was done in this run, and of all how many have a problem."""
        done = told(
            "{done} records in {seconds} s ({pace}), {problems} of {all} with a problem",
            done=self._done,
            seconds=f"{time.monotonic() - self._began_s:.1f}",
            pace=self._pace(),
            problems=self.problems,
            all=self.had + self._done,
        )
        if not self._repeated:
            return done
        return done + told("; {count} were equal to an earlier one", count=self._repeated)

    def _put_problem(self, record: Record | Fault, problem: str) -> None:
        self.problems += 1
        self._put(record, problem)
        self.tell(told("line {line}: {problem}", line=record.line, problem=problem))

    def _pace(self) -> str:
        seconds = max(time.monotonic() - self._began_s, 1e-9)
        return told("{rate}/s", rate=f"{self._done / seconds:.1f}")


def _refused(why: str) -> typer.Exit:
    say(f"tidegate: {why}")
    return typer.Exit(ExitCode.INPUT)

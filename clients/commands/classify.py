"""`tidegate classify`: the label of one text, of several, of every line of stdin, or of a file's records.

Knows nothing about the wire, nor about how files are read (sheets).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.bulk import CONCURRENCY
from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.failure import ExitCode, exit_code_of, line_of, say
from tidegate.clients.commands.output import fields_of, label_line, write, write_json
from tidegate.clients.commands.sheet import Output, classify_sheet, sheet_of
from tidegate.clients.errors import TidegateError, Unavailable
from tidegate.clients.inputs import Item
from tidegate.clients.options import ClassifyOptions
from tidegate.clients.sheets.answered import Form
from tidegate.clients.sheets.records import SHAPE_OF_SUFFIX, Record, Shape
from tidegate.clients.words import told

# What a table of texts that come from no file looks like.
_TABLE = Form(Shape.CSV, ("text",))

# Many texts are no person's hurry: each is tried oftener than a single one.
BULK_ATTEMPTS = 6


class Format(str, Enum):
    """How answers are written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def classify(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT|FILE",
            help="The texts; a single - reads stdin, a text a line; a single file ending in "
            f"{', '.join(SHAPE_OF_SUFFIX)} is read record by record.",
        ),
    ],
    address: options.Address = options.DEFAULT_ADDRESS,
    profile: options.Profile = None,
    system_prompt: options.SystemPrompt = None,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="How answers are written. [default: table; a file's by its name]"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Where a file's answers go: .csv, .tsv or .jsonl. What it holds already of them is kept.",
        ),
    ] = None,
    column: Annotated[
        str, typer.Option("--column", metavar="NAME", help="The file's column with the texts.")
    ] = "text",
    encoding: Annotated[
        str,
        typer.Option("--encoding", metavar="NAME", help="The file's encoding, such as gb18030."),
    ] = "utf-8",
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            min=1,
            max=1024,
            help="Calls under way at once, where there are many texts: as many as the fleet has sentiment slots.",
        ),
    ] = CONCURRENCY,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin the output file anew, whatever it holds.")
    ] = False,
) -> None:
    """Say which label a text deserves.

    The number behind the label says how sure it is: 0 is a coin's toss, 1 is certain. A text that is refused gets a line on stderr and the rest go on; the exit code is then that
    of the first refused one. Blank lines of stdin are passed over.

    `tidegate classify reviews.csv --column text -o out.csv` keeps the order and every column, and can be stopped at any time: the same command goes on where it stopped.
    """
    wanted = Format.JSONL if as_json else form
    given: ClassifyOptions = {
        "profile": profile,
        "system_prompt": system_prompt,
        "timeout_s": timeout,
    }
    sheet = sheet_of(texts, column, encoding)
    if sheet is not None:
        target = Output(output, wanted.value if wanted else None, restart)
        with calling(address, BULK_ATTEMPTS) as client:
            exit_code = classify_sheet(client, sheet, target, concurrency, given, address)
        raise typer.Exit(exit_code)
    if output is not None:
        say(f"tidegate: {told('-o is for a file of texts; the answers to others go to stdout')}")
        raise typer.Exit(ExitCode.INPUT)
    with calling(address) as client:
        if len(texts) == 1 and texts != ["-"] and wanted is not Format.CSV:
            _write_one(client.classify(texts[0], **given), wanted)
            return
        items = _lines() if texts == ["-"] else _arguments(texts)
        if wanted is Format.CSV:
            write(_TABLE.head().decode())
        exit_code = _classify_many(client, items, concurrency, given, wanted, address)
    raise typer.Exit(exit_code)


def _classify_many(
    client: Client,
    items: Iterable[Item],
    concurrency: int,
    given: ClassifyOptions,
    wanted: Format | None,
    address: str,
) -> ExitCode:
    exit_code = ExitCode.OK
    for outcome in client.classify_many(items, concurrency=concurrency, **given):
        match outcome.outcome:
            case Unavailable() as error:
                raise error
            case TidegateError() as error:
                line = told("text {id}: {line}", id=outcome.item_id, line=line_of(error, address))
                say(f"tidegate: {line}")
                exit_code = exit_code or exit_code_of(error)
            case Classification() as answer:
                _write_item(outcome, answer, wanted)
    return exit_code


def _write_one(answer: Classification, wanted: Format | None) -> None:
    if wanted is Format.JSONL:
        write_json(fields_of(answer))
    else:
        write(label_line(answer))


def _write_item(item: ClassifiedItem, answer: Classification, wanted: Format | None) -> None:
    match wanted:
        case Format.JSONL:
            write_json({"item_id": item.item_id, "text": item.text, **fields_of(answer)})
        case Format.CSV:
            record = Record(int(item.item_id), item.text, {"text": item.text}, 0)
            write((_TABLE.beginning(record) + _TABLE.ending(record, answer)).decode())
        case _:
            write(label_line(answer, item.text))


def _arguments(texts: Iterable[str]) -> Iterator[Item]:
    for number, text in enumerate(texts, start=1):
        yield Item(text, str(number))


def _lines() -> Iterator[Item]:
    """The lines of stdin, named by their number. Bytes that are not UTF-8 spoil their own line
    only: they become half characters, which the client refuses by name.
    """
    # A reader of our own: a thread may still wait in it when the process ends, and Python, which closes
    # sys.stdin then, would abort.
    lines = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
    for number, raw in enumerate(lines, start=1):
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")
        if line.strip():
            yield Item(line.rstrip("\r\n"), str(number))

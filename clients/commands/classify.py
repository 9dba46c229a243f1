"""`tidegate classify`: the label of one text, of several, or of every line of stdin.

Knows nothing about the wire. Several texts go over one stream and come out in their own order.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from tidegate.clients.answers import Classification, ClassifiedItem
from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.failure import ExitCode, exit_code_of, line_of, reported, say
from tidegate.clients.commands.output import fields_of, label_line, write, write_json
from tidegate.clients.errors import TidegateError
from tidegate.clients.inputs import Item


def classify(
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="The texts; a single - reads stdin, a text a line."),
    ],
    address: options.Address = options.DEFAULT_ADDRESS,
    profile: options.Profile = None,
    system_prompt: options.SystemPrompt = None,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Say which label a text deserves.

    The number behind the label says how sure it is: 0 is a coin's toss, 1 is certain. A text that is refused gets a line on stderr and the rest go on; the exit code is then that
    of the first refused one. Blank lines of stdin are passed over.
    """
    with reported(address), Client(address) as client:
        if len(texts) == 1 and texts != ["-"]:
            answer = client.classify(
                texts[0], profile=profile, system_prompt=system_prompt, timeout_s=timeout
            )
            if as_json:
                write_json(fields_of(answer))
            else:
                write(label_line(answer))
            return
        order: deque[str] = deque()
        items = _lines() if texts == ["-"] else _arguments(texts)
        outcomes = client.classify_many(
            _noted(items, order), profile=profile, system_prompt=system_prompt, timeout_s=timeout
        )
        exit_code = ExitCode.OK
        for outcome in _in_order(outcomes, order):
            if isinstance(outcome.outcome, TidegateError):
                say(f"tidegate: text {outcome.item_id}: {line_of(outcome.outcome, address)}")
                exit_code = exit_code or exit_code_of(outcome.outcome)
            else:
                _write_one(outcome, outcome.outcome, as_json)
    raise typer.Exit(exit_code)


def _write_one(item: ClassifiedItem, answer: Classification, as_json: bool) -> None:
    if as_json:
        write_json({"item_id": item.item_id, "text": item.text, **fields_of(answer)})
    else:
        write(label_line(answer, item.text))


def _arguments(texts: Iterable[str]) -> Iterator[Item]:
    for number, text in enumerate(texts, start=1):
        yield Item(text, str(number))


def _lines() -> Iterator[Item]:
    """The lines of stdin, named by their number. Bytes that are not UTF-8 spoil their own line
    only: they become half characters, which the client refuses by name.
    """
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")
        if line.strip():
            yield Item(line.rstrip("\r\n"), str(number))


def _noted(items: Iterable[Item], order: deque[str]) -> Iterator[Item]:
    for item in items:
        order.append(item.item_id)
        yield item


def _in_order(outcomes: Iterable[ClassifiedItem], order: deque[str]) -> Iterator[ClassifiedItem]:
    """The outcomes in the order in which their items were taken, each as soon as it can be."""
    held: dict[str, ClassifiedItem] = {}
    for outcome in outcomes:
        held[outcome.item_id] = outcome
        while order and order[0] in held:
            yield held.pop(order.popleft())

"""`tidegate judge`: the label of a text, then a reply to it, from one call.

Knows nothing about the wire.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Annotated, Any

import typer

from tidegate.clients.answers import Classification, Delta, End, Warming
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.failure import say
from tidegate.clients.commands.output import aside, fields_of, label_line, write, write_json
from tidegate.clients.commands.waiting import say_warming
from tidegate.clients.words import told


def judge(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to judge and to answer.")],
    address: options.Address = options.DEFAULT_ADDRESS,
    profile: options.Profile = None,
    sentiment_profile: Annotated[
        str | None,
        typer.Option(
            "--sentiment-profile", metavar="NAME", help="The prompt profile to judge with."
        ),
    ] = None,
    system_prompt: options.SystemPrompt = None,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Label a text, then reply to it.

    The label is written at once, the reply below it as it comes; both come from one call.
    """
    with calling(address) as client:
        events = client.judge_and_reply(
            text,
            profile=profile,
            sentiment_profile=sentiment_profile,
            system_prompt=system_prompt,
            timeout_s=timeout,
            progress=True,
        )
        if as_json:
            _write_at_once(events)
        else:
            _write_as_it_comes(events)


_Events = Generator[Warming | Classification | Delta | End, None, None]


def _write_as_it_comes(events: _Events) -> None:
    is_line_open = False
    end: End | None = None
    try:
        with closing(events):
            for event in events:
                match event:
                    case Warming():
                        say_warming(event)
                    case Classification():
                        write(label_line(event))
                    case Delta():
                        is_line_open = True
                        write(event.text)
                    case End():
                        end = event
    finally:
        if is_line_open:
            write("\n")
    if end is not None and end.degraded:
        say(aside(told("(a short answer, because of load)")))


def _write_at_once(events: _Events) -> None:
    sentiment: dict[str, Any] = {}
    written: list[str] = []
    for event in events:
        match event:
            case Warming():
                say_warming(event)
            case Classification():
                sentiment = fields_of(event)
            case Delta():
                written.append(event.text)
            case End():
                reply = {"text": "".join(written), **fields_of(event)}
                # The contract fills it in StreamReply only.
                del reply["sentiment"]
                write_json({"sentiment": sentiment, "reply": reply})

"""`tidegate chat`: one reply, or a conversation at the keyboard, written as it comes.

Knows nothing about the wire.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from tidegate.clients.answers import DegradedEnd, Delta, End, FinishReason, Warming
from tidegate.clients.client import Client
from tidegate.clients.commands import options
from tidegate.clients.commands.connection import calling
from tidegate.clients.commands.failure import line_of, say
from tidegate.clients.commands.output import aside, fields_of, write, write_json
from tidegate.clients.commands.waiting import say_warming
from tidegate.clients.conversation import Conversation
from tidegate.clients.errors import TidegateError
from tidegate.clients.words import told

PROMPT = "> "


def chat(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to say; without it, a dialogue.")
    ] = None,
    address: options.Address = options.DEFAULT_ADDRESS,
    profile: options.Profile = None,
    system_prompt: options.SystemPrompt = None,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Get a reply, or hold a dialogue.

    Without TEXT a dialogue begins that remembers what was said. There Ctrl-C stops the reply that is being written, and Ctrl-D leaves. A stdin
    that is no terminal is read a turn a line.
    """
    with calling(address) as client:
        asking = _Asking(client, Conversation(), profile, system_prompt, timeout)
        answer = asking.at_once if as_json else asking.as_it_comes
        if text is None:
            _talk(answer, address)
        else:
            answer(text)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What stays the same over a dialogue's turns."""

    client: Client
    conversation: Conversation
    profile: str | None
    system_prompt: str | None
    timeout_s: float | None

    def at_once(self, text: str) -> None:
        """Write the whole reply as one JSON object."""
        reply = self.client.reply(
            self.conversation.with_question(text),
            profile=self.profile,
            system_prompt=self.system_prompt,
            conversation_id=self.conversation.conversation_id,
            timeout_s=self.timeout_s,
        )
        self.conversation.remember(text, reply.text)
        write_json(fields_of(reply))

    def as_it_comes(self, text: str) -> None:
        """Write the reply while it is written. What came before an interrupt is remembered."""
        written: list[str] = []
        end: End | None = None
        events = self.client.stream_reply(
            self.conversation.with_question(text),
            profile=self.profile,
            system_prompt=self.system_prompt,
            conversation_id=self.conversation.conversation_id,
            timeout_s=self.timeout_s,
            progress=True,
        )
        try:
            with closing(events):
                for event in events:
                    match event:
                        case Warming():
                            say_warming(event)
                        case Delta():
                            written.append(event.text)
                            write(event.text)
                        case End():
                            end = event
        finally:
            self.conversation.remember(text, "".join(written))
            if written or end is not None:
                write("\n")
        if end is not None:
            _say_how_it_ended(end)


def _talk(answer: Callable[[str], None], address: str) -> None:
    if sys.stdin.isatty():
        say(aside(told("Ctrl-C stops a reply, Ctrl-D leaves.")))
        # Gives the prompt line editing and history; not every Python has it.
        with suppress(ImportError):
            import readline  # noqa: F401
        for text in _questions():
            _answer_a_person(answer, text, address)
    else:
        # A script must see that a turn failed: the first failure ends it.
        for text in _questions():
            answer(text)


def _answer_a_person(answer: Callable[[str], None], text: str, address: str) -> None:
    try:
        answer(text)
    except KeyboardInterrupt:
        say(aside(told("(stopped)")))
    except TidegateError as error:
        say(f"tidegate: {line_of(error, address)}")


def _questions() -> Iterator[str]:
    """What is typed, turn by turn, until the end of stdin; blank lines are passed over."""
    while True:
        try:
            text = _typed()
        except EOFError:
            if sys.stdin.isatty():
                say("")
            return
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            say(aside("\n" + told("Ctrl-D leaves.")))
            continue
        if text.strip():
            yield text


def _typed() -> str:
    if not sys.stdin.isatty():
        return input()
    if sys.stdout.isatty():
        return input(PROMPT)
    # Replies go to a file or another program: the prompt must not get among them.
    sys.stderr.write(PROMPT)
    sys.stderr.flush()
    return input()


def _say_how_it_ended(end: End) -> None:
    if isinstance(end, DegradedEnd):
        label = end.sentiment.label
        say(aside(told("(a short answer, because of load; the text sounds {label})", label=label)))
    elif end.finish_reason is FinishReason.LENGTH:
        say(aside(told("(cut at the longest reply allowed)")))

"""Ends a command that failed: one line on stderr, and an exit code that scripts can tell apart.

Knows nothing about which command it was.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from tidegate.clients.commands.output import harmless
from tidegate.clients.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    TidegateError,
    Unavailable,
)
from tidegate.clients.words import told
from tidegate.identity.distrust import distrust


class ExitCode(IntEnum):
    """How a command ended; documented in every --help."""

    OK = 0
    FAILURE = 1
    INPUT = 2
    OVERLOADED = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130


@contextmanager
def reported(address: str) -> Iterator[None]:
    """Turns an error of the block into its line and its exit code; Ctrl-C into 130."""
    try:
        yield
    except TidegateError as error:
        say(f"tidegate: {line_of(error, address)}")
        raise typer.Exit(exit_code_of(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our answers has gone (`| head`); Python would complain once more
        # when it flushes stdout at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.FAILURE) from None


def exit_code_of(error: TidegateError) -> ExitCode:
    """The exit code for an error."""
    match error:
        case InvalidInput():
            return ExitCode.INPUT
        case Overloaded():
            return ExitCode.OVERLOADED
        case Unavailable():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILURE


def line_of(error: TidegateError, address: str) -> str:
    """What a person needs to know of an error, on one line."""
    words = " ".join(str(error).split())
    mistrust = distrust(words, address, "--tls-ca", "--tls-server-name")
    match error:
        case Unavailable() if mistrust is not None:
            line = told("not called: {words}", words=mistrust)
        case InvalidInput():
            line = told("refused: {words}", words=words)
        case Overloaded():
            line = told("overloaded: {words}", words=words)
        case Unavailable() if not error.reason:
            line = told(
                "nobody answers at {address} ({words}); `tidegate up` starts a service",
                address=address,
                words=words,
            )
        case Unavailable():
            line = told("unavailable: {words}", words=words)
        case DeadlineExceeded():
            line = told("no answer in time: {words}; --timeout gives it longer", words=words)
        case _:
            line = told("failed ({code}): {words}", code=error.code.name, words=words)
    if error.retry_after_s is not None:
        # Rounded up, so that who waits as told doesn't come too early.
        line += told("; try again in {seconds} s", seconds=max(1, math.ceil(error.retry_after_s)))
    return line


def say(line: str) -> None:
    """One line on stderr; nothing when stderr is gone."""
    try:
        sys.stderr.write(f"{harmless(line) if sys.stderr.isatty() else line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return

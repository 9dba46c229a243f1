"""Runs a server by the settings of its command line: settings in, exit code out."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from tidegate.server.affinity import AffinityError, parse_cpus, pin
from tidegate.server.config import ServerSettings, SettingsError, read_settings
from tidegate.server.life import EngineDiedError, Life
from tidegate.server.logs import set_up_logs
from tidegate.server.memory_lock import MemoryLockError, lock_memory
from tidegate.server.model_loading import is_loading
from tidegate.server.start_error import StartError


def run(arguments: Sequence[str]) -> None:
    """Run the server. Exits with 0 after a drain, 2 for a wrong setting, 1 for the rest."""
    try:
        settings = read_settings(arguments)
    except SettingsError as error:
        _give_up(str(error), 2)
    set_up_logs(settings.log_format)
    try:
        _take_care(settings)
        asyncio.run(_live(settings, arguments))
    except SettingsError as error:
        _give_up(str(error), 2)
    except (StartError, EngineDiedError, MemoryLockError) as error:
        _give_up(str(error), 1)
    if is_loading():
        # That thread can't be stopped, and an interpreter that ends under it may abort.
        sys.stderr.flush()
        os._exit(0)


def _take_care(settings: ServerSettings) -> None:
    """Set up the process before it starts threads and loads a model for minutes.

    torch counts the CPUs when it is imported, so that pinning also chooses its threads.
    """
    if settings.cpus:
        try:
            pin(parse_cpus(settings.cpus))
        except AffinityError as error:
            raise SettingsError(f"cpus: {settings.cpus!r}: {error}") from None
    if settings.lock_memory:
        lock_memory()


async def _live(settings: ServerSettings, arguments: Sequence[str]) -> None:
    await Life(settings, read_again=lambda: read_settings(arguments)).run()


def _give_up(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"tidegate-server: {line}\n")
    raise SystemExit(code)

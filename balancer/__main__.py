"""The command `tidegate-balancer`: settings in, exit code out."""

import asyncio
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

import structlog

from tidegate.balancer.allocation import return_large_blocks
from tidegate.balancer.polling import poll_directly

# gRPC reads the variable when it is imported, which the modules below do.
poll_directly()
return_large_blocks()

# ruff: noqa: E402
from tidegate.balancer.config import BalancerSettings, SettingsError, read_settings
from tidegate.balancer.crew import Crew
from tidegate.balancer.garbage import spare_calls
from tidegate.balancer.logs import set_up_logs
from tidegate.balancer.sidecar import Sidecar, StartError
from tidegate.operating.terminal import Terminal


def main() -> None:
    """Run the balancer. Exits with 0 after a drain, 2 for a wrong setting, 1 for the rest.

    With `simulate` as the first argument, play a scenario instead.
    """
    if sys.argv[1:2] == ["simulate"]:
        # Imported here, so that a sidecar starts without it.
        from tidegate.balancer.simulation.command import simulate

        raise SystemExit(simulate(sys.argv[2:]))
    try:
        settings = read_settings(sys.argv[1:])
    except SettingsError as error:
        _give_up(str(error), 2)
    set_up_logs(settings.log_format)
    try:
        asyncio.run(_live(settings))
    except StartError as error:
        _give_up(str(error), 1)


async def _live(settings: BalancerSettings) -> None:
    asked_to_stop, terminal = asyncio.Event(), Terminal()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    if settings.workers > 1:
        crew = Crew(settings)
        loop.add_signal_handler(signal.SIGHUP, _hear, terminal, asked_to_stop, crew.adopt)
        await crew.live(asked_to_stop)
        return
    sidecar = Sidecar(settings, version("tidegate"))
    loop.add_signal_handler(signal.SIGHUP, _hear, terminal, asked_to_stop, sidecar.adopt)
    await sidecar.start()
    spare_calls()
    await asked_to_stop.wait()
    await sidecar.drain()


def _hear(
    terminal: Terminal, asked_to_stop: asyncio.Event, adopt: Callable[[BalancerSettings], None]
) -> None:
    """Read the settings anew, from where they came; wrong ones change nothing. A terminal that was closed ends it."""
    if terminal.is_closed():
        asked_to_stop.set()
        return
    try:
        settings = read_settings(sys.argv[1:])
    except SettingsError as error:
        structlog.get_logger("tidegate.balancer").error("settings not reloaded", problem=str(error))
        return
    adopt(settings)


def _give_up(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"tidegate-balancer: {line}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()

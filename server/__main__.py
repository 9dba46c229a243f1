"""The command `tidegate-server`: settings in, exit code out."""

import asyncio
import sys
from typing import NoReturn

from tidegate.server.config import ServerSettings, SettingsError, read_settings
from tidegate.server.life import EngineDiedError, Life
from tidegate.server.logs import set_up_logs
from tidegate.server.start_error import StartError


def main() -> None:
    """Run the server. Exits with 0 after a drain, 2 for a wrong setting, 1 for the rest."""
    try:
        settings = read_settings(sys.argv[1:])
    except SettingsError as error:
        _give_up(str(error), 2)
    set_up_logs(settings.log_format)
    try:
        asyncio.run(_live(settings))
    except (StartError, EngineDiedError) as error:
        _give_up(str(error), 1)


async def _live(settings: ServerSettings) -> None:
    await Life(settings).run()


def _give_up(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"tidegate-server: {line}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()

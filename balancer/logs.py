"""Sets up how log lines look: one structured line on stderr for each change of state."""

import sys
from typing import Literal

import structlog
from typing_extensions import assert_never

from tidegate.operating.log_values import escape_values


def set_up_logs(log_format: Literal["console", "json"], **always: object) -> None:
    """Write all log lines to stderr, for people or for machines, with the fields `always` in each.

    A trace names files and lines only: the values in its frames may be the callers' texts.
    """

    def add_fields(
        _: object, __: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {**line, **always}

    shared: list[structlog.typing.Processor] = [
        add_fields,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    match log_format:
        case "console":
            ends: list[structlog.typing.Processor] = [
                escape_values,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    exception_formatter=structlog.dev.plain_traceback,
                ),
            ]
        case "json":
            ends = [
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ]
        case _:
            assert_never(log_format)
    structlog.configure(
        processors=[*shared, *ends], logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
